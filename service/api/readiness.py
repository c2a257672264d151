"""Whether this worker can serve: what /ready answers from."""

import asyncio

import structlog

from service.api.route_registry import RouteRegistry
from service.database.errors import DatabaseError
from service.database.migrations import Known, pending_migrations
from service.database.pool import Database

# /ready promises an answer within 2 s whatever the database does.
CHECK_TIMEOUT_SECONDS = 1.5

# How long between two looks, for one that waits until all is well.
PAUSE_SECONDS = 0.1

Checks = dict[str, str]

log = structlog.get_logger()


class Readiness:
    """Checks the database and its migrations on demand, and knows whether this worker serves."""

    def __init__(self, database: Database, known: Known, registry: RouteRegistry) -> None:
        self._database = database
        self._known = known
        self._registry = registry
        self.stopping = False

    async def check(self) -> Checks:
        """Each check and `ok`, or a few words on what is wrong."""
        return {**await self._check_database(), "serving": self._serving()}

    async def settled(self, within_seconds: float) -> Checks:
        """What is found once all of it is ok, or when the time is up."""
        until = asyncio.get_running_loop().time() + within_seconds
        while True:
            checks = await self.check()
            if all_ok(checks) or asyncio.get_running_loop().time() > until:
                return checks
            await asyncio.sleep(PAUSE_SECONDS)

    def _serving(self) -> str:
        if self.stopping:
            return "stopping"
        # The log says why: the database's own words are not for here.
        return "ok" if self._registry.loaded else "registry not loaded"

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


def all_ok(checks: Checks) -> bool:
    """Whether nothing was found that keeps a worker from serving."""
    return all(result == "ok" for result in checks.values())
