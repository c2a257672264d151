"""Schema migrations: forward only, in order, each in one transaction."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import asyncpg

from service.database.errors import DatabaseError, translate_statement_errors
from service.database.queries import QUERIES, quote_identifier

_FILE_NAME = re.compile(r"(\d{4})_(\w+)\.sql")


class MigrationError(DatabaseError):
    """A migration cannot be applied. The message is one line with the migration and the reason."""


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration file, such as `0001_tables.sql`."""

    version: int
    name: str
    sql: str

    @property
    def digest(self) -> bytes:
        """SHA-256 of the SQL, used to detect changes to an applied migration."""
        return sha256(self.sql.encode()).digest()

    def __str__(self) -> str:
        return f"{self.version:04}_{self.name}"


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration as recorded in the database."""

    name: str
    digest: bytes
    applied_at: datetime


Migrations = tuple[Migration, ...]
Record = Callable[[asyncpg.Connection, Migration], Awaitable[None]]


def load_migrations(folder: Path) -> Migrations:
    """Return the migrations of a folder in order. Raises `ValueError` for a wrong file name or a repeated number."""
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise ValueError(f"{path}: a migration's file name must look like 0001_tables.sql")
        migrations.append(Migration(int(match[1]), match[2], path.read_text("utf-8")))
    if len({migration.version for migration in migrations}) < len(migrations):
        raise ValueError(f"{folder}: two migrations have the same number")
    return tuple(migrations)


async def applied_migrations(connection: asyncpg.Connection) -> Mapping[int, Applied]:
    """Return the applied migrations by version. Raises `DatabaseError`."""
    with translate_statement_errors():
        if not await connection.fetchval(QUERIES["has_schema_migrations"]):
            return {}
        rows = await connection.fetch(QUERIES["list_migrations"])
    return {row["version"]: Applied(row["name"], row["sha256"], row["applied_at"]) for row in rows}


async def pending_migrations(connection: asyncpg.Connection, known: Migrations) -> Migrations:
    """Return the migrations of `known` that are not applied yet. Raises `DatabaseError`."""
    applied = await applied_migrations(connection)
    return tuple(migration for migration in known if migration.version not in applied)


async def migrate(
    connection: asyncpg.Connection, known: Migrations, schema: str | None = None, record: Record | None = None
) -> Migrations:
    """Apply the pending migrations in order and return them. An advisory lock serializes concurrent processes.

    The tables are made in the first schema of the connection's `search_path`. `schema` is created if it is missing.
    `record` is called in the transaction of each migration, after it.
    Raises `MigrationError` if a migration fails or if the file of an applied migration has changed.
    """
    return tuple([migration for migration in known if await _apply(connection, migration, schema, record)])


async def _apply(
    connection: asyncpg.Connection, migration: Migration, schema: str | None, record: Record | None
) -> bool:
    with translate_statement_errors():
        async with connection.transaction():
            lock_timeout = await connection.fetchval(QUERIES["wait_for_migrations"])
            await connection.execute(QUERIES["lock_migrations"])
            await connection.execute(QUERIES["wait_no_longer"], lock_timeout)
            if schema is not None and not await connection.fetchval(QUERIES["has_schema"], schema):
                await connection.execute(QUERIES["create_schema"].replace("{schema}", quote_identifier(schema)))
            await connection.execute(QUERIES["create_schema_migrations"])
            applied = (await applied_migrations(connection)).get(migration.version)
            if applied is None:
                await _run(connection, migration)
                if record is not None:
                    await record(connection, migration)
            elif applied.digest != migration.digest:
                raise MigrationError(f"{migration} has changed since it was applied: write a new migration instead")
    return applied is None


async def _run(connection: asyncpg.Connection, migration: Migration) -> None:
    try:
        await connection.execute(migration.sql)
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{migration} failed and was rolled back: {error}") from error
    await connection.execute(QUERIES["record_migration"], migration.version, migration.name, migration.digest)
