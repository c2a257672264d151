"""Poll the database until a condition holds, with a timeout."""

import asyncio

import asyncpg

LOCK_WAITERS = """
SELECT count(*) >= $1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def wait_for_lock_waiters(connection: asyncpg.Connection, number: int = 1) -> None:
    """Return once at least `number` statements in this database wait for a lock."""
    await wait_until(connection, LOCK_WAITERS, number)


async def wait_until(connection: asyncpg.Connection, query: str, *args: object, seconds: float = 3.0) -> None:
    """Return once `query` returns true; raise TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await connection.fetchval(query, *args):
            pass


async def wait_for_other_transactions(connection: asyncpg.Connection) -> None:
    """Wait until all transactions have ended that run now. Those of other tests on this server delay the feed."""
    (row,) = await connection.fetch("SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS next")
    ended = "SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::text::xid8"
    async with asyncio.timeout(10):
        while not await connection.fetchval(ended, row["next"]):
            pass
