"""A pool of connections to a server that may be lost at any time, and is not needed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import asyncpg

from service.config import DatabaseConfig
from service.database.errors import ConnectionLost
from service.database.pool import Database


class ReplicaPool(Database):
    """A pool whose statements end when it is given up, even if the server does not answer."""

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]], settings: DatabaseConfig) -> None:
        """As in `Database`."""
        super().__init__(connect, settings)
        self._limits: set[asyncio.Timeout] = set()
        self._unused = asyncio.Event()
        self._unused.set()

    @contextlib.asynccontextmanager
    async def connection(
        self, timeout: float | None = None, *, short_waits: bool = False
    ) -> AsyncIterator[asyncpg.Connection]:
        """As in `Database`. Raises `ConnectionLost` when the pool is given up."""
        limit = asyncio.timeout(None)
        try:
            async with limit:
                with self._known(limit):
                    async with super().connection(timeout, short_waits=short_waits) as connection:
                        yield connection
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise ConnectionLost("the replica is lost") from error

    @contextlib.contextmanager
    def _known(self, limit: asyncio.Timeout) -> Iterator[None]:
        self._limits.add(limit)
        self._unused.clear()
        try:
            yield
        finally:
            self._limits.remove(limit)
            if not self._limits:
                self._unused.set()

    async def give_up(self) -> None:
        """End all statements, and close all connections. Afterwards the pool can be used again."""
        self.close()
        now = asyncio.get_running_loop().time()
        for limit in self._limits:
            limit.reschedule(now)
        # A statement that has just been answered returns its connection first.
        await self._unused.wait()
        self.close()
