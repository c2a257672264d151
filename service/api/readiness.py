"""The readiness of a worker, as /ready reports it."""

import asyncio

import structlog

from service.api.route_registry import RouteRegistry
from service.database.errors import DatabaseError
from service.database.migrations import Migrations, pending_migrations
from service.database.pool import Database
from service.database.replica import Replica
from service.database.server_state import is_read_only

# /ready must answer within 2 s, even if the database does not.
CHECK_TIMEOUT_SECONDS = 1.5

# Between two checks while waiting for readiness.
PAUSE_SECONDS = 0.1

# The check of the replica, if there is one.
REPLICA = "replica"

Checks = dict[str, str]

log = structlog.get_logger()


class Readiness:
    """Checks the database and its migrations on demand, and whether this worker is serving."""

    def __init__(
        self, database: Database, known: Migrations, registry: RouteRegistry, replica: Replica | None = None
    ) -> None:
        self._database = database
        self._replica = replica
        self._known = known
        self._registry = registry
        self.stopping = False

    async def check(self) -> Checks:
        """The result of each check: `ok`, or a few words on what is wrong."""
        checks = {**await self._check_database(), "serving": self._serving()}
        if self._replica is not None:
            checks[REPLICA] = "ok" if self._replica.usable else "not used"
        return checks

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
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS), self._database.connection() as connection:
                pending = await pending_migrations(connection, self._known)
                read_only = await is_read_only(connection)
        except (DatabaseError, TimeoutError) as error:
            log.info("database-not-ready", reason=str(error))
            return {"database": "no answer", "migrations": "unknown"}
        if read_only:
            self._database.leave_read_only_server()
        return {"database": "read only" if read_only else "ok", "migrations": "pending" if pending else "ok"}


def all_ok(checks: Checks) -> bool:
    """Whether the results say that the worker can serve. It needs no replica."""
    return all(result == "ok" for name, result in checks.items() if name != REPLICA)
