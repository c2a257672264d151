"""Checks of the PostgreSQL server and database, run before the service uses them."""

from collections.abc import Mapping

import asyncpg

from service.config import Config
from service.database.errors import DatabaseError, translate_statement_errors
from service.database.migrations import Migrations, pending_migrations
from service.database.pool import CONSOLE_POOL_SIZE
from service.database.queries import QUERIES, quote_identifier

OLDEST_VERSION = 15


class UnfitDatabaseError(DatabaseError):
    """The service must not use this database. The message is one line with the reason and the remedy."""


class UnfitAssociationError(UnfitDatabaseError):
    """The table of a configured association type cannot be used."""


async def check_database(connection: asyncpg.Connection, config: Config, known: Migrations) -> tuple[str, ...]:
    """Check the database and return warnings about settings that are risky but allowed.

    Raises `UnfitDatabaseError` if the service must not use the database, or another `DatabaseError` if a check fails.
    """
    with translate_statement_errors():
        facts = await connection.fetchrow(QUERIES["server_facts"])
        assert facts is not None  # noqa: S101 - a SELECT without FROM returns one row
        _check_server(facts, require_durable=config.database.require_durable)
        await _check_migrations(connection, known)
        await _check_privileges(connection)
        await _check_associations(connection, config.associations)
    return tuple(_warnings(facts, config))


def _check_server(facts: asyncpg.Record, *, require_durable: bool) -> None:
    if facts["version_number"] < OLDEST_VERSION * 10_000:
        raise UnfitDatabaseError(f"PostgreSQL {OLDEST_VERSION} or later is required; this is {facts['version']}")
    if facts["encoding"] != "UTF8":
        raise UnfitDatabaseError(f"the database encoding must be UTF8, not {facts['encoding']}: recreate the database")
    for setting in ("fsync", "full_page_writes"):
        if require_durable and facts[setting] != "on":
            raise UnfitDatabaseError(
                f"the server runs with {setting} off and may lose acknowledged writes: turn it on, "
                "or set database.require_durable to false"
            )


async def _check_migrations(connection: asyncpg.Connection, known: Migrations) -> None:
    pending = await pending_migrations(connection, known)
    if pending:
        names = ", ".join(map(str, pending))
        raise UnfitDatabaseError(f"migrations are pending ({names}): run `requirements-service migrate`")


async def _check_privileges(connection: asyncpg.Connection) -> None:
    missing = await connection.fetch(QUERIES["missing_privileges"])
    if missing:
        grants = ", ".join(f"{row['privilege']} on {row['table_name']}" for row in missing)
        raise UnfitDatabaseError(f"the database role lacks privileges: grant it {grants}")


async def _check_associations(connection: asyncpg.Connection, associations: Mapping[str, str]) -> None:
    names = [quote_identifier(table) for table in associations.values()]
    facts = {row["name"]: row for row in await connection.fetch(QUERIES["association_facts"], names)}
    for association_type, table in associations.items():
        problem = _association_problem(facts[quote_identifier(table)])
        if problem:
            raise UnfitAssociationError(f"associations.{association_type}: {table} {problem}")


def _association_problem(facts: asyncpg.Record) -> str | None:
    if not facts["is_table"]:
        return "is not a table in this database"
    if not facts["has_bigint_id"] or not facts["has_unique_id"]:
        return 'needs a column "id" of type bigint with a unique index'
    if not facts["may_read"] or not facts["may_hold"]:
        return "cannot be referenced: grant the database role SELECT and UPDATE on it"
    return None


def _warnings(facts: asyncpg.Record, config: Config) -> list[str]:
    warnings = []
    if facts["synchronous_commit"] not in ("on", "remote_apply"):
        warnings.append(f"synchronous_commit is {facts['synchronous_commit']}: a crash may lose acknowledged writes")
    # A worker also keeps one connection to LISTEN for registry changes. While workers are being replaced, old and new
    # ones run side by side, which doubles the number.
    per_worker = config.database.pool_size + config.database.read_pool_size + 1
    needed = 2 * config.server.workers * per_worker + CONSOLE_POOL_SIZE
    if needed > facts["connections"]:
        warnings.append(f"the service may need {needed} connections, but the server allows {facts['connections']}")
    return warnings
