"""Following the records of services and routes, so that a change reaches this worker within a second."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import structlog

from service.database.errors import DatabaseError, translate_statement_errors
from service.storage.registry import Registry, load_registry

CHANNEL = "registry_changed"  # the trigger of migration 0002 notifies it
RETRY_PAUSE_SECONDS = 0.5

Connect = Callable[[], Awaitable[asyncpg.Connection]]
Check = Callable[[asyncpg.Connection], Awaitable[None]]

log = structlog.get_logger()


class RegistryNeverLoaded(Exception):
    """The registry has not been loaded since this worker started."""


class RouteRegistry:
    """Keeps the registry as it was last loaded; the last good one serves while the database is away."""

    def __init__(self, connect: Connect, check: Check, poll_seconds: float) -> None:
        """`connect` opens a connection. `check` raises a `DatabaseError` if its database must not be served from.

        `poll_seconds` bounds what a lost notification costs.
        """
        self._connect = connect
        self._check = check
        self._poll_seconds = poll_seconds
        self._registry: Registry | None = None
        self._as_of = time.monotonic()
        self.loads = 0  # how often the registry was loaded
        self._changed = asyncio.Event()
        self.attempted = asyncio.Event()  # set once the registry was loaded, or could not be

    @property
    def loaded(self) -> bool:
        """Whether the registry was ever loaded."""
        return self._registry is not None

    @property
    def registry(self) -> Registry:
        """The services and routes as last loaded. Raises `RegistryNeverLoaded`."""
        if self._registry is None:
            raise RegistryNeverLoaded
        return self._registry

    def age(self) -> float:
        """How many seconds ago the registry was last loaded; until it was, how long this has been waited for."""
        return time.monotonic() - self._as_of

    async def follow(self) -> None:
        """Load the registry, and again after every change, until cancelled."""
        reason = None
        while True:
            try:
                async with self._listening() as connection:
                    reason = None
                    await self._load_for_ever(connection)
            except DatabaseError as error:
                if str(error) != reason:
                    reason = str(error)
                    log.warning("registry-not-loaded", reason=reason, serving_last=self._registry is not None)
            self.attempted.set()
            await asyncio.sleep(RETRY_PAUSE_SECONDS)

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await self._connect()
        try:
            # On first contact only: once requests are served, a change of the registry must reach this worker.
            if not self.loaded:
                await self._check(connection)
            with translate_statement_errors():
                await connection.add_listener(CHANNEL, self._on_change)
            # A change may go unheard until another connection listens: look at once, which finds this one ended.
            connection.add_termination_listener(self._on_change)
            yield connection
        finally:
            connection.terminate()

    async def _load_for_ever(self, connection: asyncpg.Connection) -> None:
        while True:
            self._changed.clear()
            self._registry = await load_registry(connection)
            self._as_of = time.monotonic()
            self.loads += 1
            self.attempted.set()
            # Not by wait_for: until Python 3.12 it forgets a cancellation that comes together with the change.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._changed.wait()

    def _on_change(self, *_: object) -> None:
        self._changed.set()
