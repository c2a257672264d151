"""Migrations: applied in order, each in one transaction, by one process at a time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from service.config.resources import resource
from service.database.migrations import (
    Migration,
    MigrationError,
    Migrations,
    applied_migrations,
    load_migrations,
    migrate,
    pending_migrations,
)
from service.database.queries import QUERIES
from tests.databases import new_database

SHIPPED = load_migrations(resource("sql") / "migrations")
FIRST = Migration(1, "first", "CREATE TABLE first (id bigint)")
SECOND = Migration(2, "second", "CREATE TABLE second (id bigint)")
BROKEN = Migration(2, "broken", "CREATE TABLE half (id bigint);\nINSERT INTO half VALUES ('no number');")


@pytest.fixture
async def empty_url(server_url: str) -> AsyncIterator[str]:
    """The URL of a database without tables."""
    async with new_database(server_url) as url:
        yield url


@pytest.fixture
async def empty(empty_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database without tables."""
    connection = await asyncpg.connect(empty_url)
    yield connection
    await connection.close()


async def tables(connection: asyncpg.Connection) -> set[str]:
    """The tables, without the table of applied migrations."""
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"] for row in rows} - {"schema_migrations"}


async def until_waiting(connection: asyncpg.Connection, count: int) -> None:
    """Wait until `count` connections wait for the lock of migrations."""
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    async with asyncio.timeout(5):
        while await connection.fetchval(waiting) < count:
            await asyncio.sleep(0.005)


async def test_migrations_are_applied_in_order(empty: asyncpg.Connection) -> None:
    """An empty database gets every shipped migration, recorded with its version, name and digest."""
    assert await migrate(empty, SHIPPED) == SHIPPED
    applied = await applied_migrations(empty)
    assert [(version, it.name, it.digest) for version, it in applied.items()] == [
        (migration.version, migration.name, migration.digest) for migration in SHIPPED
    ]


async def test_migrating_again_changes_nothing(empty: asyncpg.Connection) -> None:
    """An applied migration is not applied again."""
    await migrate(empty, SHIPPED)
    before = await applied_migrations(empty)
    assert await migrate(empty, SHIPPED) == ()
    assert await applied_migrations(empty) == before


async def test_pending_is_what_is_not_applied(empty: asyncpg.Connection) -> None:
    """On an empty database all migrations are pending; later only those that were added."""
    assert await pending_migrations(empty, (FIRST, SECOND)) == (FIRST, SECOND)
    await migrate(empty, (FIRST,))
    assert await pending_migrations(empty, (FIRST, SECOND)) == (SECOND,)
    assert await migrate(empty, (FIRST, SECOND)) == (SECOND,)
    assert await tables(empty) == {"first", "second"}


async def test_concurrent_processes_migrate_one_at_a_time(empty_url: str, empty: asyncpg.Connection) -> None:
    """Two processes that migrate at the same time wait for each other, and every migration is applied once."""
    others = [await asyncpg.connect(empty_url) for _ in range(2)]
    async with empty.transaction():
        await empty.execute(QUERIES["lock_migrations"])
        racing = [asyncio.create_task(migrate(other, SHIPPED)) for other in others]
        await until_waiting(empty, 2)
    results: list[Migrations] = await asyncio.gather(*racing)
    assert sorted(map(str, results[0] + results[1])) == list(map(str, SHIPPED))
    for other in others:
        await other.close()


async def test_a_failing_migration_is_rolled_back(empty: asyncpg.Connection) -> None:
    """A migration that fails is rolled back completely and named in the error. Those before it are kept."""
    with pytest.raises(MigrationError) as caught:
        await migrate(empty, (FIRST, BROKEN))
    assert str(caught.value).startswith("0002_broken failed and was rolled back: invalid input syntax for type bigint")
    assert await tables(empty) == {"first"}
    assert await pending_migrations(empty, (FIRST, BROKEN)) == (BROKEN,)
    assert await migrate(empty, (FIRST, SECOND)) == (SECOND,)


async def test_a_changed_migration_is_refused(empty: asyncpg.Connection) -> None:
    """If the file of an applied migration has changed, migrating fails and later migrations are not applied."""
    await migrate(empty, (FIRST,))
    changed = Migration(FIRST.version, FIRST.name, FIRST.sql + ";")
    with pytest.raises(MigrationError) as caught:
        await migrate(empty, (changed, SECOND))
    assert str(caught.value) == "0001_first has changed since it was applied: write a new migration instead"
    assert await tables(empty) == {"first"}


async def test_newer_migrations_are_ignored(empty: asyncpg.Connection) -> None:
    """An older release does nothing on a database with migrations that it does not know."""
    await migrate(empty, (FIRST, SECOND))
    assert await migrate(empty, (FIRST,)) == ()
    assert await pending_migrations(empty, (FIRST,)) == ()


async def test_a_file_is_run_unchanged(empty: asyncpg.Connection, tmp_path: Path) -> None:
    """A file may contain several statements, quoted bodies, and text that looks like a comment."""
    (tmp_path / "0001_tricky.sql").write_text(
        "CREATE TABLE notes (text text);\n"
        "INSERT INTO notes VALUES ('first\n-- not a comment; still text');\n"
        "CREATE FUNCTION answer() RETURNS text LANGUAGE plpgsql AS $body$\n"
        "BEGIN\n-- a comment; with a semicolon\nRETURN $$a; 'b'$$;\nEND\n$body$;\n"
        "-- The end"
    )
    await migrate(empty, load_migrations(tmp_path))
    texts = await empty.fetchval("SELECT ARRAY[text, answer()] FROM notes")
    assert texts == ["first\n-- not a comment; still text", "a; 'b'"]


def test_a_folder_is_read_in_order(tmp_path: Path) -> None:
    """Files are ordered by number. Files that are not SQL are ignored."""
    for name in ("0010_later.sql", "0002_sooner.sql", "README.md"):
        (tmp_path / name).write_text("SELECT 1")
    assert list(map(str, load_migrations(tmp_path))) == ["0002_sooner", "0010_later"]


@pytest.mark.parametrize("name", ["1_short.sql", "0001.sql", "tables.sql", "0001-tables.sql"])
def test_a_misnamed_file_is_refused(name: str, tmp_path: Path) -> None:
    """A file whose name is not a number and words is an error."""
    (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(ValueError, match=r"a migration's file name must look like 0001_tables\.sql"):
        load_migrations(tmp_path)


def test_shipped_migrations_are_numbered_from_one() -> None:
    """The shipped migrations are numbered from 1 without gaps or duplicates."""
    assert [migration.version for migration in SHIPPED] == list(range(1, len(SHIPPED) + 1))
