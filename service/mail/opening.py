"""All that sends e-mails, as long as a worker needs it."""

import contextlib
from collections.abc import AsyncIterator

from service.config import Mandrill as Settings
from service.database.pool import Database
from service.mail.courier import Courier
from service.mail.dispatcher import Dispatcher
from service.mail.mandrill import connected


@contextlib.asynccontextmanager
async def mailing(database: Database, settings: Settings) -> AsyncIterator[tuple[Courier, Dispatcher]]:
    """E-mails are sent meanwhile: by the courier for requests, and by the dispatcher on its own."""
    async with connected(settings) as mandrill:
        courier = Courier(mandrill, database, settings)
        dispatcher = Dispatcher(database, courier, settings)
        dispatcher.start()
        try:
            yield courier, dispatcher
        finally:
            await dispatcher.close()
