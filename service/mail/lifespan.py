"""Start and stop the e-mail sender and the dispatcher of a worker."""

import contextlib
from collections.abc import AsyncIterator

from service.config import MandrillConfig
from service.database.pool import Database
from service.mail.dispatcher import Dispatcher
from service.mail.mandrill import open_mandrill
from service.mail.sender import EmailSender


@contextlib.asynccontextmanager
async def open_mail(database: Database, settings: MandrillConfig) -> AsyncIterator[tuple[EmailSender, Dispatcher]]:
    """Run the sender, for first attempts, and the dispatcher, for retries. Both are closed at the end."""
    async with open_mandrill(settings) as mandrill:
        sender = EmailSender(mandrill, database, settings)
        dispatcher = Dispatcher(database, sender, settings)
        dispatcher.start()
        try:
            yield sender, dispatcher
        finally:
            await dispatcher.close()
