"""Whether this worker can serve: what /ready answers from."""

import asyncio

import structlog

from service.database.errors import DatabaseError
from service.database.migrations import Known, pending_migrations
from service.database.pool import Database

# /ready promises an answer within 2 s whatever the database does.
CHECK_TIMEOUT_SECONDS = 1.5

Checks = dict[str, str]

log = structlog.get_logger()


class Health:
    """Checks the database and its migrations on demand, and knows whether this worker is stopping."""

    def __init__(self, database: Database, known: Known) -> None:
        self._database = database
        self._known = known
        self.stopping = False

    async def check(self) -> Checks:
        """Each check and `ok`, or a few words on what is wrong."""
        serving = "stopping" if self.stopping else "ok"
        return {**await self._check_database(), "serving": serving}

    async def _check_database(self) -> Checks:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                pending = await self._pending()
        except (DatabaseError, TimeoutError) as error:
            log.info("database-not-ready", reason=str(error))
            return {"database": "no answer", "migrations": "unknown"}
        return {"database": "ok", "migrations": "pending" if pending else "ok"}

    async def _pending(self) -> Known:
        async with self._database.connection() as connection:
            return await pending_migrations(connection, self._known)
