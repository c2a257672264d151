"""Bringing the tables to the state that this build knows: forwards only, each migration whole or not at all."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import asyncpg

from service.database.errors import DatabaseError, translate_statement_errors
from service.database.queries import QUERIES

_FILE_NAME = re.compile(r"(\d{4})_(\w+)\.sql")


class MigrationError(DatabaseError):
    """A migration that cannot be applied. The message is one line that says which and why."""


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration as its file says, such as `0001_tables.sql`."""

    version: int
    name: str
    sql: str

    @property
    def digest(self) -> bytes:
        """The checksum that tells whether the file is the one that was applied."""
        return sha256(self.sql.encode()).digest()

    def __str__(self) -> str:
        return f"{self.version:04}_{self.name}"


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration as the database remembers it."""

    name: str
    digest: bytes
    applied_at: datetime


Known = tuple[Migration, ...]


def load_migrations(folder: Path) -> Known:
    """The migrations of a folder in their order. Raises `ValueError` for names that are not a migration's."""
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise ValueError(f"{path}: a migration is named like 0001_tables.sql")
        migrations.append(Migration(int(match[1]), match[2], path.read_text("utf-8")))
    if len({migration.version for migration in migrations}) < len(migrations):
        raise ValueError(f"{folder}: two migrations have one number")
    return tuple(migrations)


async def applied_migrations(connection: asyncpg.Connection) -> Mapping[int, Applied]:
    """What is applied, by version. Raises a `DatabaseError`."""
    with translate_statement_errors():
        if not await connection.fetchval(QUERIES["has_schema_migrations"]):
            return {}
        rows = await connection.fetch(QUERIES["list_migrations"])
    return {row["version"]: Applied(row["name"], row["sha256"], row["applied_at"]) for row in rows}


async def pending_migrations(connection: asyncpg.Connection, known: Known) -> Known:
    """Those of `known` that are not applied yet. Raises a `DatabaseError`."""
    applied = await applied_migrations(connection)
    return tuple(migration for migration in known if migration.version not in applied)


async def migrate(connection: asyncpg.Connection, known: Known) -> Known:
    """Apply what is pending, in order, and return it. Processes that migrate at once take turns.

    Raises `MigrationError` when a migration fails, or when the file of one that is applied has changed since.
    """
    return tuple([migration for migration in known if await _apply(connection, migration)])


async def _apply(connection: asyncpg.Connection, migration: Migration) -> bool:
    with translate_statement_errors():
        async with connection.transaction():
            await connection.execute(QUERIES["wait_for_migrations"])
            await connection.execute(QUERIES["lock_migrations"])
            await connection.execute(QUERIES["wait_no_longer"])
            await connection.execute(QUERIES["create_schema_migrations"])
            applied = (await applied_migrations(connection)).get(migration.version)
            if applied is None:
                await _run(connection, migration)
            elif applied.digest != migration.digest:
                raise MigrationError(f"{migration} has changed since it was applied: write a new migration instead")
    return applied is None


async def _run(connection: asyncpg.Connection, migration: Migration) -> None:
    try:
        await connection.execute(migration.sql)
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{migration} failed and was rolled back: {error}") from error
    await connection.execute(QUERIES["record_migration"], migration.version, migration.name, migration.digest)
