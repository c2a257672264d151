"""Checks of the database before the service uses it: the warnings."""

from dataclasses import replace

import asyncpg

from service.config import Config
from service.config.resources import resource
from service.database.checks import check_database
from service.database.migrations import load_migrations

KNOWN = load_migrations(resource("sql") / "migrations")


def with_pools(config: Config, size: int, read_size: int, batch_size: int, workers: int) -> Config:
    """Settings with these pool sizes for so many workers, and without the check for durability."""
    database = replace(
        config.database, pool_size=size, read_pool_size=read_size, batch_pool_size=batch_size, require_durable=False
    )
    return replace(config, database=database, server=replace(config.server, workers=workers))


async def test_too_many_connections(connection: asyncpg.Connection, config: Config) -> None:
    """A warning counts the three pools and one more connection per worker, twice, and the console's."""
    warnings = await check_database(connection, with_pools(config, 30, 8, 2, 5), KNOWN)
    allowed = await connection.fetchval(
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
    )
    assert f"the service may need 414 connections, but the server allows {allowed}" in warnings


async def test_few_connections(connection: asyncpg.Connection, config: Config) -> None:
    """There is no warning about connections that the server allows."""
    warnings = await check_database(connection, with_pools(config, 1, 1, 1, 1), KNOWN)
    assert not any("connections" in warning for warning in warnings)
