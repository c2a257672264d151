"""Run one statement on a connection or on a pool."""

import asyncpg

from service.database.errors import translate_statement_errors
from service.database.pool import Database

Executor = Database | asyncpg.Connection
Rows = list[asyncpg.Record]


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
