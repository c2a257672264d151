"""What only the database knows, asked for whoever looks: bounded in time, and seldom."""

import asyncio
import time
from dataclasses import dataclass, replace

import structlog

from service.database.errors import DatabaseError
from service.database.migrations import Known, pending_migrations
from service.database.pool import Database
from service.storage.backlog import Backlog, count_sent_emails, read_backlog

# Prometheus gives up on a scrape after 10 s by default, and people look on: better no number than a late one.
TIMEOUT_SECONDS = 1.0

# However many look, the database is asked this often.
FRESH_SECONDS = 2.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database said; None for what it did not say in time."""

    database_up: bool = False
    pending_migrations: int | None = None
    backlog: Backlog | None = None
    sent_emails: int | None = None

    @property
    def emails(self) -> dict[str, int] | None:
        """E-mails by state, as far as they are known."""
        if self.backlog is None:
            return None
        sent = {} if self.sent_emails is None else {"sent": self.sent_emails}
        return {**self.backlog.emails, **sent}


class DatabaseStats:
    """Asks the database, and remembers for a moment what it said."""

    def __init__(self, database: Database, known: Known) -> None:
        self._database = database
        self._known = known
        self._lock = asyncio.Lock()
        self._facts = Facts()
        self._fresh_until = -1.0

    async def facts(self) -> Facts:
        """What is known now: an answer within the time limit, whatever the database does."""
        async with self._lock:
            if time.monotonic() >= self._fresh_until:
                await self._ask()
                self._fresh_until = time.monotonic() + FRESH_SECONDS
            return self._facts

    async def _ask(self) -> None:
        # Each answer is kept, should a later one not come.
        self._facts = Facts()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                async with self._database.connection() as connection:
                    pending = len(await pending_migrations(connection, self._known))
                self._facts = Facts(database_up=True, pending_migrations=pending)
                backlog = await read_backlog(self._database, TIMEOUT_SECONDS)
                self._facts = replace(self._facts, backlog=backlog)
                sent = await count_sent_emails(self._database, TIMEOUT_SECONDS)
                self._facts = replace(self._facts, sent_emails=sent)
        except (DatabaseError, TimeoutError) as error:
            log.info("facts-not-found", reason=str(error) or "no answer in time")
