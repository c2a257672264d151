"""Databases whose requirements deploy/citus has distributed: on Citus, or where only its rules are checked."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from tests.databases import connected
from tests.serving.process import REPOSITORY

SCRIPT = (REPOSITORY / "deploy" / "citus" / "distribute.sql").read_text()

# What Citus asks of a table that it distributes. Nothing is distributed.
RULES = """
CREATE FUNCTION create_distributed_table(distributed regclass, distribution_column name) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = distributed AND NOT tgisinternal) THEN
        RAISE 'a distributed table has a trigger';
    END IF;
    IF EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND distributed IN (conrelid, confrelid)) THEN
        RAISE 'a foreign key is between a distributed table and another one';
    END IF;
    IF EXISTS (
        SELECT FROM pg_index
        INNER JOIN pg_attribute ON attrelid = indrelid AND attname = distribution_column
        WHERE indrelid = distributed AND indisunique AND attnum <> ALL (indkey::smallint[])
    ) THEN
        RAISE 'a unique index has no distribution column';
    END IF;
END
$$;

CREATE FUNCTION truncate_local_data_after_distributing_table(distributed regclass) RETURNS void
LANGUAGE sql AS $$ SELECT $$
"""


@asynccontextmanager
async def distributed_schema(url: str, before: str = "") -> AsyncIterator[tuple[str, asyncpg.Connection]]:
    """A new schema on a Citus coordinator with distributed requirements, and a connection; dropped at the end.

    `before` is SQL that is run before the script.
    """
    schema = f"test_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(url, server_settings={"search_path": schema})
    try:
        await migrate(connection, load_migrations(resource("sql") / "migrations"), schema)
        await connection.execute(before + SCRIPT)
        yield schema, connection
    finally:
        await connection.close()
        async with connected(url) as other:
            await other.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
