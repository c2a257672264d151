"""All that sends e-mails, as long as a worker needs it."""

import contextlib
from collections.abc import AsyncIterator

from service.config import MandrillConfig
from service.database.pool import Database
from service.mail.dispatcher import Dispatcher
from service.mail.mandrill import connected
from service.mail.sender import EmailSender


@contextlib.asynccontextmanager
async def mailing(database: Database, settings: MandrillConfig) -> AsyncIterator[tuple[EmailSender, Dispatcher]]:
    """E-mails are sent meanwhile: by the courier for requests, and by the dispatcher on its own."""
    async with connected(settings) as mandrill:
        courier = EmailSender(mandrill, database, settings)
        dispatcher = Dispatcher(database, courier, settings)
        dispatcher.start()
        try:
            yield courier, dispatcher
        finally:
            await dispatcher.close()
