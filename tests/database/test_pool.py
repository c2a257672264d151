"""The connection pool: every connection is released, and lost ones are replaced."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from service.config import Config
from service.database.errors import ConnectionLost, DatabaseError, NotConnected
from service.database.pool import INDEX_PLANS_ONLY, Database, open_database
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


@pytest.mark.parametrize("planning", [INDEX_PLANS_ONLY, {}])
async def test_planner_settings(config: Config, database_url: str, planning: dict[str, str]) -> None:
    """A pool has the given planner settings; without any, PostgreSQL's defaults apply."""
    defaults = dict.fromkeys(INDEX_PLANS_ONLY, "on") | {"plan_cache_mode": "auto"}
    settings = replace(config.database, pool_size=config.database.read_pool_size)
    async with open_database(settings, database_url, planning) as database:
        rows = await database.fetch(SETTINGS, list(defaults))
        assert [row["value"] for row in rows] == list((defaults | planning).values())
        assert database.use().limit == config.database.read_pool_size
