"""Waiting until something has happened in the database: asked for again and again, with a deadline."""

import asyncio

import asyncpg

WAITING = """
SELECT count(*) >= $1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def waiting(connection: asyncpg.Connection, number: int = 1) -> None:
    """Return once that many statements wait for a lock in this database."""
    await until(connection, WAITING, number)


async def until(connection: asyncpg.Connection, query: str, *args: object, seconds: float = 3.0) -> None:
    """Return once the query says true; fail after that many seconds."""
    async with asyncio.timeout(seconds):
        while not await connection.fetchval(query, *args):
            pass
