"""The settings of our connections: pinned, whatever the server, the database, the role or the URL says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest

from service.config import Config
from service.database.connection import connect
from service.database.session import ORIGIN, PINNED

# For each pinned setting, another value, as an operator or a neighbour might set it.
OTHER_VALUES = {
    "row_security": "on",
    "default_transaction_isolation": "serializable",
    "transform_null_equals": "on",
    "gin_fuzzy_search_limit": "1",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "iso_8601",
    "TimeZone": "Asia/Tokyo",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "idle_session_timeout": "100",
    "jit": "on",
    "search_path": "elsewhere, public",
    "statement_timeout": "1",
    "lock_timeout": "1",
    "idle_in_transaction_session_timeout": "1",
}


@asynccontextmanager
async def ours(config: Config, url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the service."""
    connection = await connect(config.database, url, "requirements-service test")
    try:
        yield connection
    finally:
        await connection.close()


async def current(connection: asyncpg.Connection, names: list[str]) -> dict[str, str]:
    """The current values of settings."""
    return {name: await connection.fetchval("SELECT current_setting($1)", name) for name in names}


async def test_settings_are_pinned(config: Config, connection: asyncpg.Connection, database_url: str) -> None:
    """Settings of the database and of the URL that change the meaning of statements do not reach our connections."""
    assert PINNED.keys() <= OTHER_VALUES.keys()
    assert not PINNED.items() & OTHER_VALUES.items()
    async with ours(config, database_url) as plain:
        expected = await current(plain, list(OTHER_VALUES))
    assert PINNED.items() <= expected.items()
    name = await connection.fetchval("SELECT current_database()")
    for setting, value in OTHER_VALUES.items():
        quoted = value if setting in ("search_path", "DateStyle") else f"'{value}'"
        await connection.execute(f'ALTER DATABASE "{name}" SET {setting} = {quoted}')
    url = f"{database_url}&options=-c%20row_security%3Don%20-c%20search_path%3Delsewhere"
    async with ours(config, url) as pinned:
        found = await current(pinned, list(OTHER_VALUES))
    await connection.execute(f'ALTER DATABASE "{name}" RESET ALL')  # the test house has to clean this database
    assert found == expected
    assert found["search_path"] == '"public", pg_temp'


async def test_an_operators_choices_are_kept(config: Config, connection: asyncpg.Connection, database_url: str) -> None:
    """A database that is read-only, or commits asynchronously, stays so: the service notices it or warns."""
    name = await connection.fetchval("SELECT current_database()")
    chosen = {"default_transaction_read_only": "on", "synchronous_commit": "remote_apply", "work_mem": "5MB"}
    for setting, value in chosen.items():
        await connection.execute(f"ALTER DATABASE \"{name}\" SET {setting} = '{value}'")
    async with ours(config, database_url) as connected:
        assert await current(connected, list(chosen)) == chosen


async def test_options_of_the_url(config: Config, database_url: str) -> None:
    """`options` and `application_name` in the URL are applied."""
    async with ours(config, f"{database_url}&options=-c%20geqo%3Doff&application_name=billing") as connected:
        names = ["geqo", "application_name"]
        assert await current(connected, names) == {"geqo": "off", "application_name": "billing test"}


@pytest.mark.parametrize("schema", ["app", 'App\'s "own"', "public"])
async def test_the_schema_is_first(config: Config, database_url: str, schema: str) -> None:
    """Unqualified names are those of database.schema, whatever its name."""
    settings = replace(config.database, schema=schema)
    async with ours(replace(config, database=settings), database_url) as connected:
        quoted = await connected.fetchval("SELECT quote_ident($1)", schema)
        await connected.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted}; CREATE TABLE chosen (id bigint)")
        found = await connected.fetchval("SELECT schemaname FROM pg_tables WHERE tablename = 'chosen'")
        assert found == schema
        await connected.execute("DROP TABLE chosen")


async def test_functions_cannot_be_replaced(config: Config, connection: asyncpg.Connection, database_url: str) -> None:
    """A function in our schema, or in a schema named like the role, does not stand in for one of PostgreSQL."""
    role = await connection.fetchval("SELECT current_user")
    name = await connection.fetchval("SELECT current_database()")
    for schema in ("public", role):
        await connection.execute(f"""
            CREATE SCHEMA IF NOT EXISTS {schema};
            CREATE FUNCTION {schema}.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT 'infinity'::timestamptz $$;
            CREATE FUNCTION {schema}.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS $$ SELECT '' $$;
        """)
    await connection.execute(f'ALTER DATABASE "{name}" SET search_path = "$user", public, pg_catalog')
    async with ours(config, database_url) as connected:
        assert await connected.fetchval("SELECT isfinite(now())")


async def test_the_origin_is_marked(config: Config, database_url: str) -> None:
    """Our connections say that their writes are the service's."""
    async with ours(config, database_url) as connected:
        assert await current(connected, list(ORIGIN)) == dict(ORIGIN)
