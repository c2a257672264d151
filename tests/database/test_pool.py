"""The connection pool: every connection is released, and lost ones are replaced."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import asyncpg
import pytest

from service.config import Config
from service.database.errors import ConnectionLost, DatabaseError, NotConnected
from service.database.pool import Database, open_database
from service.database.session import INDEX_PLANS_ONLY, INDEX_SCANS
from tests.api.waiting import wait_until

SIZE = 2
SETTINGS = "SELECT current_setting(name) AS value FROM unnest($1::text[]) AS name"
SLEEPERS = "SELECT count(*) = $1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"


@pytest.fixture
async def pool(config: Config, database_url: str) -> AsyncIterator[Database]:
    """A pool of two connections."""
    async with open_database(replace(config.database, pool_size=SIZE), database_url) as database:
        yield database


async def test_a_cancelled_statement_gives_its_connection_back(pool: Database, connection: asyncpg.Connection) -> None:
    """After statements on all connections are cancelled, others run at once and get their own results."""
    tasks = [asyncio.create_task(pool.fetch("SELECT pg_sleep(60)")) for _ in range(SIZE)]
    await wait_until(connection, SLEEPERS, SIZE)
    for task in tasks:
        task.cancel()
    assert {type(result) for result in await asyncio.gather(*tasks, return_exceptions=True)} == {asyncio.CancelledError}
    assert pool.use().in_use == 0
    rows = await asyncio.gather(*[pool.fetch("SELECT $1::int AS number", number) for number in range(SIZE * 2)])
    assert [row["number"] for (row,) in rows] == [0, 1, 2, 3]


async def test_a_refused_statement_gives_its_connection_back(pool: Database) -> None:
    """After failed statements the next one gets a working connection."""
    for _ in range(SIZE * 2):
        with pytest.raises(DatabaseError):
            await pool.fetch("SELECT 1 / 0")
    assert (await pool.fetch("SELECT 1 AS one"))[0]["one"] == 1
    use = pool.use()
    assert (use.in_use, use.idle) == (0, 1)


@pytest.mark.parametrize("failing", [[], ["SELECT 1 / 0"]], ids=["open", "failed"])
async def test_no_transaction_is_left_to_the_next_user(pool: Database, failing: list[str]) -> None:
    """A connection whose transaction was not ended is closed, and what it has written is undone."""
    async with pool.connection() as connection:
        await connection.execute("BEGIN; CREATE TABLE left_over ()")
        for statement in failing:
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.execute(statement)
    assert (pool.use().in_use, pool.use().idle) == (0, 0)
    assert (await pool.fetch("SELECT to_regclass('left_over')::text AS name"))[0]["name"] is None


async def test_a_lost_connection_closes_the_idle_ones(pool: Database) -> None:
    """When one connection is lost, the idle ones, which lead to the same server, are closed."""
    await asyncio.gather(*[pool.fetch("SELECT pg_sleep(0.1)") for _ in range(SIZE)])
    assert pool.use().idle == SIZE
    with pytest.raises(ConnectionLost):
        await pool.fetch("SELECT pg_terminate_backend(pg_backend_pid())")
    assert (pool.use().idle, pool.use().in_use) == (0, 0)
    assert [row[0] for row in await pool.fetch("SELECT 1")] == [1]


async def test_a_failed_connect_releases_its_slot(config: Config) -> None:
    """After failed attempts to connect, the next one is made at once and raises `NotConnected`."""
    unreachable = "postgresql://127.0.0.1:1/nowhere"
    async with open_database(replace(config.database, pool_size=1), unreachable) as database:
        for _ in range(3):
            with pytest.raises(NotConnected):
                await database.fetch("SELECT 1")
        assert database.use().in_use == 0


@pytest.mark.parametrize("planning", [INDEX_PLANS_ONLY, INDEX_SCANS, {}])
async def test_planner_settings(config: Config, database_url: str, planning: Mapping[str, str]) -> None:
    """A pool has the given planner settings; without any, PostgreSQL's defaults apply."""
    defaults = dict.fromkeys(INDEX_PLANS_ONLY, "on") | {"plan_cache_mode": "auto"}
    settings = replace(config.database, pool_size=config.database.read_pool_size)
    async with open_database(settings, database_url, planning) as database:
        expected = {**defaults, **planning}
        rows = await database.fetch(SETTINGS, list(expected))
        assert [row["value"] for row in rows] == list(expected.values())
        assert database.use().limit == config.database.read_pool_size
