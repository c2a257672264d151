"""The PostgreSQL connection pool."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

import asyncpg

from service.config import DatabaseConfig
from service.database.connection import APPLICATION_NAME, CLIENT_GRACE_SECONDS, connect
from service.database.errors import (
    READING_ERRORS,
    ConnectionLost,
    NotConnected,
    ResultUnreadable,
    ServerReadOnly,
    translate_connect_errors,
    translate_statement_errors,
)
from service.database.queries import QUERIES
from service.database.server_state import close_if_standby
from service.database.session import DISTRIBUTED, INDEX_PLANS_ONLY

# Pool size of the internal listener's process. Few people use the console, so the connections are left to the workers.
CONSOLE_POOL_SIZE = 4

# How long a statement that serves many calls waits for a lock: longer than ordinary transactions hold one, and short
# beside the time of a call. Only the calls that need the lock should wait longer, in statements of their own.
SHORT_LOCK_TIMEOUT_SECONDS = 0.05

# Opening a connection takes longer than a refusal by a read-only server: it is tried at most once in this time.
LEAVE_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class PoolUse:
    """Number of connections in use and idle, the pool's limit, and the number of tasks that wait for a connection."""

    in_use: int
    idle: int
    limit: int
    waiting: int


class Database:
    """A connection pool. It connects on first use and reconnects after a connection is lost.

    Unlike `asyncpg.Pool` it does not reset a connection on release, because only the pool sets session state. Acquiring
    from `asyncpg.Pool` takes two tasks and a timer, which cost as much as the statement itself.

    A connection is opened with the configured `lock_timeout`. It gets the short one, or the configured one again, when
    a statement needs it and no idle connection has it.
    """

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]], settings: DatabaseConfig) -> None:
        """`connect` opens a connection. The pool opens at most `settings.pool_size`."""
        self.distributed = settings.distributed
        self._connect = connect
        self._acquire_timeout = settings.acquire_timeout_seconds
        self._statement_timeout = settings.statement_timeout_seconds + CLIENT_GRACE_SECONDS
        self._limit = settings.pool_size
        self._slots = asyncio.Semaphore(settings.pool_size)
        # By whether their lock_timeout is the short one.
        self._idle: tuple[list[asyncpg.Connection], list[asyncpg.Connection]] = ([], [])
        short = min(SHORT_LOCK_TIMEOUT_SECONDS, settings.lock_timeout_seconds)
        self._lock_timeouts = tuple(f"{seconds * 1000:.0f}ms" for seconds in (settings.lock_timeout_seconds, short))
        self._left_at = -math.inf
        self._in_use = 0
        self._waiting = 0
        self.statements = 0  # number of `fetch` calls

    async def fetch(
        self, query: str, *args: object, timeout: float | None = None, short_waits: bool = False
    ) -> list[asyncpg.Record]:
        """Run one statement in its own transaction and return its rows. It is committed when this returns.

        `timeout`, in seconds, covers both waiting for a connection and running the statement. With `short_waits`, the
        statement waits for a lock at most `SHORT_LOCK_TIMEOUT_SECONDS`, not `lock_timeout_seconds`; `LockTimeout` is
        raised when it is not obtained by then. Raises `DatabaseError`. Only after `ConnectionLost` and
        `ResultUnreadable` it is unknown whether the statement was carried out.
        """
        self.statements += 1
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout if timeout is not None else math.inf
        async with self.connection(timeout, short_waits=short_waits) as connection:
            left = min(deadline - clock(), self._statement_timeout)
            if left <= 0:
                raise NotConnected("the deadline passed before a connection was free")
            with translate_statement_errors(READING_ERRORS):
                return await connection.fetch(query, *args, timeout=left)

    @contextlib.asynccontextmanager
    async def connection(
        self, timeout: float | None = None, *, short_waits: bool = False
    ) -> AsyncIterator[asyncpg.Connection]:
        """Acquire a connection for the duration of the block. One that is lost or of no more use is closed.

        So is one whose transaction the block has not ended.

        `timeout`, in seconds, can only shorten `acquire_timeout_seconds`. `short_waits` is that of `fetch`. Raises
        `NotConnected`.
        """
        seconds = self._acquire_timeout if timeout is None else min(timeout, self._acquire_timeout)
        connection = await self._acquire(seconds, short_waits=short_waits)
        try:
            yield connection
        except ConnectionLost:
            connection.terminate()
            # The idle connections lead to the same server.
            self.close()
            raise
        except ServerReadOnly:
            if self.leave_read_only_server():
                connection.terminate()
            raise
        except (asyncio.CancelledError, ResultUnreadable):
            # The response to the cancelled statement could be read as the response to the next one.
            connection.terminate()
            raise
        finally:
            self._release(connection, short_waits=short_waits)

    async def _acquire(self, seconds: float, *, short_waits: bool) -> asyncpg.Connection:
        await self._acquire_slot(seconds)
        connection = self._pop_idle(short_waits=short_waits)
        if connection is None:
            with contextlib.ExitStack() as on_failure:
                on_failure.callback(self._release_slot)
                connection = await self._convert_or_connect(seconds, short_waits=short_waits)
                on_failure.pop_all()
        return connection

    def _pop_idle(self, *, short_waits: bool) -> asyncpg.Connection | None:
        idle = self._idle[short_waits]
        while idle:
            # Last in, first out: that server process has the warmest caches.
            connection = idle.pop()
            if not connection.is_closed():
                return connection
        return None

    async def _convert_or_connect(self, seconds: float, *, short_waits: bool) -> asyncpg.Connection:
        """Give an idle connection the other `lock_timeout`, or open one. Raises `NotConnected`."""
        connection = self._pop_idle(short_waits=not short_waits)
        if connection is not None:
            with contextlib.suppress(NotConnected):
                return await self._set_lock_timeout(connection, seconds, short_waits=short_waits)
            # It was lost without notice, and so were the others.
            self.close()
        connection = await self._connect()
        return await self._set_lock_timeout(connection, seconds, short_waits=True) if short_waits else connection

    async def _set_lock_timeout(
        self, connection: asyncpg.Connection, seconds: float, *, short_waits: bool
    ) -> asyncpg.Connection:
        with contextlib.ExitStack() as on_failure, translate_connect_errors():
            on_failure.callback(connection.terminate)
            await connection.fetch(QUERIES["set_lock_timeout"], self._lock_timeouts[short_waits], timeout=seconds)
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

    def _release(self, connection: asyncpg.Connection, *, short_waits: bool) -> None:
        if not connection.is_closed():
            if connection.is_in_transaction():
                # Its end has failed. The next user of the connection would go on with it, and commit it.
                connection.terminate()
            else:
                self._idle[short_waits].append(connection)
        self._release_slot()

    @property
    def statement_timeout(self) -> float:
        """The seconds after which the client gives a statement up; the server should have done so before."""
        return self._statement_timeout

    @property
    def outstanding(self) -> int:
        """Number of statements that are running or wait for a connection."""
        return self._in_use + self._waiting

    def use(self) -> PoolUse:
        """Return the current use of the pool."""
        idle = sum(not connection.is_closed() for connections in self._idle for connection in connections)
        return PoolUse(self._in_use, idle, self._limit, self._waiting)

    def leave_read_only_server(self) -> bool:
        """Close the idle connections to a read-only server: the next ones may lead to the primary.

        Return false, and keep them, if they were closed within the last `LEAVE_PAUSE_SECONDS`.
        """
        now = asyncio.get_running_loop().time()
        if now - self._left_at < LEAVE_PAUSE_SECONDS:
            return False
        self._left_at = now
        self.close()
        return True

    def close(self) -> None:
        """Close the idle connections without waiting for the server."""
        for idle in self._idle:
            while idle:
                idle.pop().terminate()


@contextlib.asynccontextmanager
async def open_database(
    settings: DatabaseConfig, url: str, planning: Mapping[str, str] = INDEX_PLANS_ONLY, *, refuse_standby: bool = False
) -> AsyncIterator[Database]:
    """Open a pool of `settings.pool_size` connections for one process; close it at the end.

    No connection is opened yet, so the server need not be running. `planning` holds PostgreSQL planner settings. With
    `refuse_standby`, connections to a standby are closed at once: during a failover the address may lead to one, and
    a pool that only reads would not notice.
    """
    session = {**planning, **DISTRIBUTED} if settings.distributed else planning

    async def open_connection() -> asyncpg.Connection:
        connection = await connect(settings, url, APPLICATION_NAME, session=session)
        if refuse_standby:
            await close_if_standby(connection)
        return connection

    database = Database(open_connection, settings)
    try:
        yield database
    finally:
        database.close()
