"""The pool: whatever becomes of those who use it, its connections come back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from service.config import Config
from service.database.errors import ConnectionLost, DatabaseError, NotConnected
from service.database.pool import Database, open_database
from tests.api.waiting import wait_until

SIZE = 2
SLEEPERS = "SELECT count(*) = $1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"


@pytest.fixture
async def pool(config: Config, database_url: str) -> AsyncIterator[Database]:
    """A pool of two connections."""
    async with open_database(replace(config.database, pool_size=SIZE), database_url) as database:
        yield database


async def test_a_cancelled_statement_gives_its_connection_back(pool: Database, connection: asyncpg.Connection) -> None:
    """Each of those who use all connections is cancelled: others get theirs at once, and no old answer on it."""
    users = [asyncio.create_task(pool.fetch("SELECT pg_sleep(60)")) for _ in range(SIZE)]
    await wait_until(connection, SLEEPERS, SIZE)
    for user in users:
        user.cancel()
    assert {type(result) for result in await asyncio.gather(*users, return_exceptions=True)} == {asyncio.CancelledError}
    assert pool.use().in_use == 0
    rows = await asyncio.gather(*[pool.fetch("SELECT $1::int AS number", number) for number in range(SIZE * 2)])
    assert [row["number"] for (row,) in rows] == [0, 1, 2, 3]


async def test_a_refused_statement_gives_its_connection_back(pool: Database) -> None:
    """However often statements fail, the next one finds a connection, and one that is still good."""
    for _ in range(SIZE * 2):
        with pytest.raises(DatabaseError):
            await pool.fetch("SELECT 1 / 0")
    assert (await pool.fetch("SELECT 1 AS one"))[0]["one"] == 1
    use = pool.use()
    assert (use.in_use, use.idle) == (0, 1)


async def test_a_lost_connection_takes_the_idle_ones_along(pool: Database) -> None:
    """Those beside one that is lost lead to the same server: none of them is handed out any more."""
    await asyncio.gather(*[pool.fetch("SELECT pg_sleep(0.1)") for _ in range(SIZE)])
    assert pool.use().idle == SIZE
    with pytest.raises(ConnectionLost):
        await pool.fetch("SELECT pg_terminate_backend(pg_backend_pid())")
    assert (pool.use().idle, pool.use().in_use) == (0, 0)
    assert [row[0] for row in await pool.fetch("SELECT 1")] == [1]


async def test_a_connection_that_cannot_be_opened_leaves_its_place(config: Config) -> None:
    """However often nobody answers, the next try is made at once, and is told as the database being away."""
    unreachable = "postgresql://127.0.0.1:1/nowhere"
    async with open_database(replace(config.database, pool_size=1), unreachable) as database:
        for _ in range(3):
            with pytest.raises(NotConnected):
                await database.fetch("SELECT 1")
        assert database.use().in_use == 0
