"""Connections to PostgreSQL: each step has a time limit, and the server is the first to give up."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from service.config import Database as Settings
from service.database.errors import DRIVER_ERRORS, ConnectionLost, DatabaseAway, reaching, running

# How much later than the server the client gives up: only a server that says nothing at all is left to the client.
CLIENT_GRACE_SECONDS = 1.0

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


async def connect(
    settings: Settings, url: str, application_name: str, *, statement_timeout_seconds: float | None = None
) -> asyncpg.Connection:
    """A connection of its own, closed by the caller; a statement timeout of 0 is none.

    Raises `DatabaseAway`, or its kind `DatabaseUnusable` when trying again will not help.
    """
    seconds = settings.statement_timeout_seconds if statement_timeout_seconds is None else statement_timeout_seconds
    with reaching():
        return await asyncpg.connect(url, **_connection_settings(settings, application_name, seconds))


def _connection_settings(settings: Settings, application_name: str, statement_seconds: float) -> dict[str, Any]:
    return {
        "timeout": settings.connect_timeout_seconds,
        "command_timeout": statement_seconds + CLIENT_GRACE_SECONDS if statement_seconds else None,
        "server_settings": {
            "application_name": application_name,
            "statement_timeout": _milliseconds(statement_seconds),
            "lock_timeout": _milliseconds(settings.lock_timeout_seconds),
            "idle_in_transaction_session_timeout": _milliseconds(statement_seconds),
            # Every statement is short and runs thousands of times a second: compiling one never pays.
            "jit": "off",
        },
    }


def _milliseconds(seconds: float) -> str:
    # To PostgreSQL 0 is no limit at all: the shortest one is a millisecond.
    return str(max(1, round(seconds * 1000))) if seconds else "0"


async def _keep_session(_connection: object) -> None:
    """Reset nothing: no session state is ever set, and the usual reset costs a round trip for every statement."""


@dataclass(frozen=True, slots=True)
class PoolUse:
    """How many connections are in use and idle, how many there may be, and how many tasks wait for one."""

    in_use: int
    idle: int
    limit: int
    waiting: int


class Database:
    """A pool of connections. It reaches PostgreSQL when first used, and again after every loss."""

    def __init__(self, pool: asyncpg.Pool, settings: Settings) -> None:
        self._pool = pool
        self._acquire_timeout = settings.acquire_timeout_seconds
        self._statement_timeout = settings.statement_timeout_seconds + CLIENT_GRACE_SECONDS
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
                raise DatabaseAway("no time was left when a connection was free")
            with running():
                return await connection.fetch(query, *args, timeout=left)

    @contextlib.asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[PoolConnectionProxy]:
        """A connection of the pool, given back at the end; one that was lost is dropped. Raises `DatabaseAway`.

        `timeout`, in seconds, can only shorten the time that it takes to get one.
        """
        connection = await self._acquire(
            self._acquire_timeout if timeout is None else min(timeout, self._acquire_timeout)
        )
        try:
            yield connection
        except (ConnectionLost, asyncio.CancelledError):
            # Giving back a connection whose server is silent would wait for it; one already closed has left the pool.
            with contextlib.suppress(asyncpg.InterfaceError):
                connection.terminate()
            raise
        finally:
            await self._pool.release(connection)

    async def _acquire(self, timeout: float) -> PoolConnectionProxy:
        self._waiting += 1
        try:
            with reaching():
                return await self._pool.acquire(timeout=timeout)
        finally:
            self._waiting -= 1

    def use(self) -> PoolUse:
        """What the pool is doing now."""
        idle = self._pool.get_idle_size()
        return PoolUse(self._pool.get_size() - idle, idle, self._pool.get_max_size(), self._waiting)


@contextlib.asynccontextmanager
async def open_database(
    settings: Settings, url: str, planning: Mapping[str, str] = ONE_PLAN
) -> AsyncIterator[Database]:
    """A pool for one process, closed at the end. It starts without a connection, so also without a server.

    `planning` are the server's settings for its statements, by default those that fit a request's.
    """
    connection_settings = _connection_settings(settings, "requirements-service", settings.statement_timeout_seconds)
    connection_settings["server_settings"] |= planning
    pool = asyncpg.create_pool(url, min_size=0, max_size=settings.pool_size, reset=_keep_session, **connection_settings)
    await pool
    try:
        yield Database(pool, settings)
    finally:
        try:
            await asyncio.wait_for(pool.close(), timeout=CLIENT_GRACE_SECONDS)
        except DRIVER_ERRORS:
            # A server that is silent, or gone at this very moment: there is nobody left to say goodbye to.
            pool.terminate()
