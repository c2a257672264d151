"""The PostgreSQL connection pool."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

import asyncpg

from service.config import DatabaseConfig
from service.database.connection import CLIENT_GRACE_SECONDS, connect
from service.database.errors import ConnectionLost, NotConnected, translate_connect_errors, translate_statement_errors

# Pool size of the internal listener's process. Few people use the console, so the connections are left to the workers.
CONSOLE_POOL_SIZE = 4
# Planner settings for the statements that write requirements and look up tokens. Each has one good plan, by unique
# indexes, at any table size. Planning a statement again, or scanning a small table, takes several times as long as
# running it.
INDEX_PLANS_ONLY = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}


@dataclass(frozen=True, slots=True)
class PoolUse:
    """Number of connections in use and idle, the pool's limit, and the number of tasks that wait for a connection."""

    in_use: int
    idle: int
    limit: int
    waiting: int


class Database:
    """A connection pool. It connects on first use and reconnects after a connection is lost.

    Unlike `asyncpg.Pool` it does not reset a connection on release, because no statement sets session state. Acquiring
    from `asyncpg.Pool` takes two tasks and a timer, which cost as much as the statement itself.
    """

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]], settings: DatabaseConfig) -> None:
        """`connect` opens a connection. The pool opens at most `settings.pool_size`."""
        self._connect = connect
        self._acquire_timeout = settings.acquire_timeout_seconds
        self._statement_timeout = settings.statement_timeout_seconds + CLIENT_GRACE_SECONDS
        self._limit = settings.pool_size
        self._slots = asyncio.Semaphore(settings.pool_size)
        self._idle: list[asyncpg.Connection] = []
        self._in_use = 0
        self._waiting = 0
        self.statements = 0  # number of `fetch` calls

    async def fetch(self, query: str, *args: object, timeout: float | None = None) -> list[asyncpg.Record]:
        """Run one statement in its own transaction and return its rows. It is committed when this returns.

        `timeout`, in seconds, covers both waiting for a connection and running the statement. Raises `DatabaseError`;
        only after `ConnectionLost` is it unknown whether the statement was carried out.
        """
        self.statements += 1
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout if timeout is not None else math.inf
        async with self.connection(timeout) as connection:
            left = min(deadline - clock(), self._statement_timeout)
            if left <= 0:
                raise NotConnected("the deadline passed before a connection was free")
            with translate_statement_errors():
                return await connection.fetch(query, *args, timeout=left)

    @contextlib.asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[asyncpg.Connection]:
        """Acquire a connection for the duration of the block. A lost connection is closed, not reused.

        `timeout`, in seconds, can only shorten `acquire_timeout_seconds`. Raises `NotConnected`.
        """
        seconds = self._acquire_timeout if timeout is None else min(timeout, self._acquire_timeout)
        connection = await self._acquire(seconds)
        try:
            yield connection
        except ConnectionLost:
            connection.terminate()
            # The idle connections lead to the same server.
            self.close()
            raise
        except asyncio.CancelledError:
            # The response to the cancelled statement could be read as the response to the next one.
            connection.terminate()
            raise
        finally:
            self._release(connection)

    async def _acquire(self, seconds: float) -> asyncpg.Connection:
        await self._acquire_slot(seconds)
        while self._idle:
            # Last in, first out: that server process has the warmest caches.
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self._release_slot)
            connection = await self._connect()
            on_failure.pop_all()
        return connection

    async def _acquire_slot(self, seconds: float) -> None:
        if self._slots.locked():
            await self._wait_for_slot(seconds)
        else:
            await self._slots.acquire()
        self._in_use += 1

    async def _wait_for_slot(self, seconds: float) -> None:
        self._waiting += 1
        try:
            with translate_connect_errors():
                async with asyncio.timeout(seconds):
                    await self._slots.acquire()
        finally:
            self._waiting -= 1

    def _release_slot(self) -> None:
        self._in_use -= 1
        self._slots.release()

    def _release(self, connection: asyncpg.Connection) -> None:
        if not connection.is_closed():
            self._idle.append(connection)
        self._release_slot()

    @property
    def outstanding(self) -> int:
        """Number of statements that are running or wait for a connection."""
        return self._in_use + self._waiting

    def use(self) -> PoolUse:
        """Return the current use of the pool."""
        idle = sum(not connection.is_closed() for connection in self._idle)
        return PoolUse(self._in_use, idle, self._limit, self._waiting)

    def close(self) -> None:
        """Close the idle connections without waiting for the server."""
        while self._idle:
            self._idle.pop().terminate()


@contextlib.asynccontextmanager
async def open_database(
    settings: DatabaseConfig, url: str, planning: Mapping[str, str] = INDEX_PLANS_ONLY
) -> AsyncIterator[Database]:
    """Open a pool of `settings.pool_size` connections for one process; close it at the end.

    No connection is opened yet, so the server need not be running. `planning` holds PostgreSQL planner settings. An
    empty mapping leaves planning to PostgreSQL, as suits statements whose filters vary.
    """

    async def open_connection() -> asyncpg.Connection:
        return await connect(settings, url, "requirements-service", planning=planning)

    database = Database(open_connection, settings)
    try:
        yield database
    finally:
        database.close()
