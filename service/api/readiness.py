"""The readiness of a worker, as /ready reports it."""

import asyncio

import structlog

from service.api.route_registry import RouteRegistry
from service.database.errors import DatabaseError
from service.database.migrations import Migrations, pending_migrations
from service.database.pool import Database

# /ready must answer within 2 s, even if the database does not.
CHECK_TIMEOUT_SECONDS = 1.5

# Between two checks while waiting for readiness.
PAUSE_SECONDS = 0.1

Checks = dict[str, str]

log = structlog.get_logger()


class Readiness:
    """Checks the database and its migrations on demand, and whether this worker is serving."""

    def __init__(self, database: Database, known: Migrations, registry: RouteRegistry) -> None:
        self._database = database
        self._known = known
        self._registry = registry
        self.stopping = False

    async def check(self) -> Checks:
        """The result of each check: `ok`, or a few words on what is wrong."""
        return {**await self._check_database(), "serving": self._serving()}

    async def wait_until_ready(self, within_seconds: float) -> Checks:
        """The results once all are `ok`, or those of the last check within the time."""
        until = asyncio.get_running_loop().time() + within_seconds
        while True:
            checks = await self.check()
            if all_ok(checks) or asyncio.get_running_loop().time() > until:
                return checks
            await asyncio.sleep(PAUSE_SECONDS)

    def _serving(self) -> str:
        if self.stopping:
            return "stopping"
        # The reason is in the log. The driver's text must not be shown here.
        return "ok" if self._registry.loaded else "registry not loaded"

    async def _check_database(self) -> Checks:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                pending = await self._pending()
        except (DatabaseError, TimeoutError) as error:
            log.info("database-not-ready", reason=str(error))
            return {"database": "no answer", "migrations": "unknown"}
        return {"database": "ok", "migrations": "pending" if pending else "ok"}

    async def _pending(self) -> Migrations:
        async with self._database.connection() as connection:
            return await pending_migrations(connection, self._known)


def all_ok(checks: Checks) -> bool:
    """Whether the results say that the worker can serve."""
    return all(result == "ok" for result in checks.values())
