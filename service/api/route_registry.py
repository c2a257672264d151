"""The route registry: the records of services and routes, reloaded within a second of every change."""

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
    """Holds the registry as last loaded. It stays valid while the database cannot be reached."""

    def __init__(self, connect: Connect, check: Check, poll_seconds: float) -> None:
        """`connect` opens a connection. `check` raises a `DatabaseError` if its database cannot be used.

        `poll_seconds` is the interval at which the registry is reloaded in case a notification was lost.
        """
        self._connect = connect
        self._check = check
        self._poll_seconds = poll_seconds
        self._registry: Registry | None = None
        self._as_of = time.monotonic()
        self.loads = 0  # number of times the registry was loaded
        self._changed = asyncio.Event()
        self.attempted = asyncio.Event()  # set after the first attempt to load the registry

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
        """Seconds since the registry was last loaded, or since this object was created."""
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
            # Only before the first load: later, a failing check must not keep changes from this worker.
            if not self.loaded:
                await self._check(connection)
            with translate_statement_errors():
                await connection.add_listener(CHANNEL, self._on_change)
            # Changes are missed until a new connection listens. A reload at once finds that this connection is lost.
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
            # Not wait_for: before Python 3.12 it loses a cancellation that arrives together with the change.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._changed.wait()

    def _on_change(self, *_: object) -> None:
        self._changed.set()
