"""Run one statement on a connection or on a pool."""

import asyncio

import asyncpg

from service.database.errors import translate_statement_errors
from service.database.pool import Database

Rows = list[asyncpg.Record]


class Within:
    """Runs statements on a pool, all of them within one timeout in seconds."""

    def __init__(self, database: Database, timeout: float) -> None:
        self._database = database
        self._clock = asyncio.get_running_loop().time
        self._deadline = self._clock() + timeout

    async def fetch(self, query: str, *args: object) -> Rows:
        """Run one statement in its own transaction and return its rows. Raises a `DatabaseError`."""
        return await self._database.fetch(query, *args, timeout=self._deadline - self._clock())


Executor = Database | Within | asyncpg.Connection


async def fetch(executor: Executor, query: str, *args: object) -> Rows:
    """Return the rows of one statement. Raises a `DatabaseError`."""
    with translate_statement_errors():
        return await executor.fetch(query, *args)


async def fetch_first(executor: Executor, query: str, *args: object) -> asyncpg.Record | None:
    """Return the first row of one statement, or None if there is no row. Raises a `DatabaseError`."""
    rows = await fetch(executor, query, *args)
    return rows[0] if rows else None


async def fetch_id(connection: asyncpg.Connection, query: str, *args: object) -> int | None:
    """Return the id in the first row of one statement, or None if there is no row. Raises a `DatabaseError`."""
    row = await fetch_first(connection, query, *args)
    return None if row is None else row["id"]
