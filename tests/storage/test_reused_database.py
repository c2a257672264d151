"""The database that tests use one after another equals a new clone each time."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.databases import ReusedDatabase, connected, on_database


@pytest.fixture
async def reused(server_url: str, template: str) -> AsyncIterator[ReusedDatabase]:
    """A database to take and give back."""
    async with connected(server_url) as server:
        reused = ReusedDatabase(server_url, server, template)
        yield reused
        await reused.drop()


async def oid(server_url: str, name: str) -> int:
    """The oid of a database, which a rename keeps."""
    async with connected(on_database(server_url, name)) as connection:
        value: int = await connection.fetchval("SELECT oid FROM pg_database WHERE datname = current_database()")
    return value


async def used(server_url: str, reused: ReusedDatabase, statement: str) -> bool:
    """Whether the same database is given out again after a statement."""
    name = await reused.take()
    before = await oid(server_url, name)
    async with connected(on_database(server_url, name)) as connection:
        await connection.execute(statement.format(name=name))
    await reused.give_back()
    return before == await oid(server_url, await reused.take())


@pytest.mark.parametrize("rows", [1, 1000])
async def test_rows_and_ids_start_again(server_url: str, reused: ReusedDatabase, rows: int) -> None:
    """The tables are empty and the ids start at 1 each time, also after rows on several pages."""
    for _ in range(3):
        async with connected(on_database(server_url, await reused.take())) as connection:
            await connection.execute(
                "INSERT INTO users (email) SELECT n || '@example.com' FROM generate_series(1, $1) AS n", rows
            )
            found = await connection.fetch("SELECT id FROM users")
            assert [row[0] for row in found] == list(range(1, rows + 1))
        await reused.give_back()


async def test_rows_alone_cost_no_clone(server_url: str, reused: ReusedDatabase) -> None:
    """Writing rows, even rolled back ones, does not cost a new clone, however often."""
    committed = "INSERT INTO users (email) VALUES ('a@example.com')"
    rolled_back = "BEGIN; INSERT INTO audit (actor, action) VALUES ('a', 'b'); ROLLBACK"
    assert [await used(server_url, reused, f"{committed}; {rolled_back}") for _ in range(3)] == [True, True, True]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE added (id int)",
        "ALTER TABLE users ADD COLUMN added int",
        "ALTER TABLE users ALTER COLUMN email DROP NOT NULL",
        "DROP TABLE audit",
        "ALTER TABLE audit RENAME TO journal; ALTER TABLE journal RENAME TO audit",
        "CREATE INDEX ON users (created_at)",
        "ALTER TABLE users ADD CHECK (email <> '')",
        "ALTER TABLE users DISABLE TRIGGER ALL",
        "ALTER FUNCTION notify_registry_changed() SECURITY DEFINER",
        "CREATE SEQUENCE added",
        "CREATE SCHEMA added",
        "GRANT SELECT ON users TO PUBLIC",
        "ALTER DATABASE {name} SET lock_timeout = 1",
        "ALTER DATABASE {name} CONNECTION LIMIT 5",
        "DELETE FROM schema_migrations",
        "UPDATE schema_migrations SET applied_at = now()",
    ],
)
async def test_other_changes_cost_a_clone(server_url: str, reused: ReusedDatabase, statement: str) -> None:
    """A database whose schema, settings or seed rows were changed is not given out again."""
    assert not await used(server_url, reused, statement)


async def test_nobody_connects_to_a_database_given_back(server_url: str, reused: ReusedDatabase) -> None:
    """Connections to a returned database are terminated, locks included, and its URL no longer works."""
    url = on_database(server_url, await reused.take())
    left = await asyncpg.connect(url)
    await left.execute("BEGIN; LOCK TABLE users")
    await reused.give_back()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await left.execute("SELECT 1")
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(url)
