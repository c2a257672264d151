"""A pool of connections to PostgreSQL, each of which is used by one statement at a time."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

import asyncpg

from service.config import DatabaseConfig
from service.database.connection import CLIENT_GRACE_SECONDS, connect
from service.database.errors import ConnectionLost, NotConnected, translate_connect_errors, translate_statement_errors

# Of the internal listener's process: a team looks on, the connections are the workers'.
CONSOLE_POOL_SIZE = 4
# The statements of a request have one good plan each, by unique indexes, whatever the tables' sizes and statistics
# say; planning one anew, or scanning a small table, costs several times as much as running it.
ONE_PLAN = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}


@dataclass(frozen=True, slots=True)
class PoolUse:
    """How many connections are in use and idle, how many there may be, and how many tasks wait for one."""

    in_use: int
    idle: int
    limit: int
    waiting: int


class Database:
    """A pool of connections. It reaches PostgreSQL when first used, and again after every loss.

    A connection is taken and given back without a word to the server: no session state is ever set that would have to
    be reset, and the driver's own pool takes two tasks and a timer for it, as long as the statement itself.
    """

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]], settings: DatabaseConfig) -> None:
        """`connect` opens one more connection, of `settings.pool_size` at the most."""
        self._connect = connect
        self._acquire_timeout = settings.acquire_timeout_seconds
        self._statement_timeout = settings.statement_timeout_seconds + CLIENT_GRACE_SECONDS
        self._limit = settings.pool_size
        self._places = asyncio.Semaphore(settings.pool_size)
        self._idle: list[asyncpg.Connection] = []
        self._in_use = 0
        self._waiting = 0
        self.statements = 0  # how many `fetch` was asked to run

    async def fetch(self, query: str, *args: object, timeout: float | None = None) -> list[asyncpg.Record]:
        """The rows of one statement, run on its own and committed when this returns.

        `timeout`, in seconds, is for all of it: a connection, and the statement. Raises a `DatabaseError`: of its
        kinds `ConnectionLost` leaves open whether the statement was carried out.
        """
        self.statements += 1
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout if timeout is not None else math.inf
        async with self.connection(timeout) as connection:
            left = min(deadline - clock(), self._statement_timeout)
            if left <= 0:
                raise NotConnected("no time was left when a connection was free")
            with translate_statement_errors():
                return await connection.fetch(query, *args, timeout=left)

    @contextlib.asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the pool, given back at the end; one that was lost is dropped. Raises `NotConnected`.

        `timeout`, in seconds, can only shorten the time that it takes to get one.
        """
        seconds = self._acquire_timeout if timeout is None else min(timeout, self._acquire_timeout)
        connection = await self._take(seconds)
        try:
            yield connection
        except ConnectionLost:
            connection.terminate()
            # Those beside it lead to the same server.
            self.close()
            raise
        except asyncio.CancelledError:
            # Whatever it still says would be taken for the answer to the next statement.
            connection.terminate()
            raise
        finally:
            self._give_back(connection)

    async def _take(self, seconds: float) -> asyncpg.Connection:
        await self._take_place(seconds)
        while self._idle:
            # The one used last: the server's side of it is the warmest.
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        with contextlib.ExitStack() as failing:
            failing.callback(self._leave_place)
            connection = await self._connect()
            failing.pop_all()
        return connection

    async def _take_place(self, seconds: float) -> None:
        if self._places.locked():
            await self._wait_for_place(seconds)
        else:
            await self._places.acquire()
        self._in_use += 1

    async def _wait_for_place(self, seconds: float) -> None:
        self._waiting += 1
        try:
            with translate_connect_errors():
                async with asyncio.timeout(seconds):
                    await self._places.acquire()
        finally:
            self._waiting -= 1

    def _leave_place(self) -> None:
        self._in_use -= 1
        self._places.release()

    def _give_back(self, connection: asyncpg.Connection) -> None:
        if not connection.is_closed():
            self._idle.append(connection)
        self._leave_place()

    def use(self) -> PoolUse:
        """What the pool is doing now."""
        idle = sum(not connection.is_closed() for connection in self._idle)
        return PoolUse(self._in_use, idle, self._limit, self._waiting)

    def close(self) -> None:
        """Drop the connections that nobody uses; each of them takes its leave without waiting for the server."""
        while self._idle:
            self._idle.pop().terminate()


@contextlib.asynccontextmanager
async def open_database(
    settings: DatabaseConfig, url: str, planning: Mapping[str, str] = ONE_PLAN
) -> AsyncIterator[Database]:
    """A pool for one process, closed at the end. It starts without a connection, so also without a server.

    `planning` are the server's settings for its statements, by default those that fit a request's.
    """

    async def one_more() -> asyncpg.Connection:
        return await connect(settings, url, "requirements-service", planning=planning)

    database = Database(one_more, settings)
    try:
        yield database
    finally:
        database.close()
