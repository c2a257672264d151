"""Whether a PostgreSQL is fit to be written to: checked before the service serves from it."""

from collections.abc import Mapping

import asyncpg

from service.config import Config
from service.database.errors import DatabaseError, translate_statement_errors
from service.database.migrations import Known, pending_migrations
from service.database.pool import CONSOLE_POOL_SIZE
from service.database.queries import QUERIES, quote_identifier

OLDEST_VERSION = 15


class UnfitDatabaseError(DatabaseError):
    """A database that must not be served from. The message is one line that says why and what to do."""


class UnfitAssociationError(UnfitDatabaseError):
    """An association type of the settings that the database cannot serve."""


async def check_database(connection: asyncpg.Connection, config: Config, known: Known) -> tuple[str, ...]:
    """Warnings about what is risky but works. Raises `UnfitDatabaseError` for what is not fit to be served from."""
    with translate_statement_errors():
        facts = await connection.fetchrow(QUERIES["server_facts"])
        assert facts is not None  # noqa: S101 - a SELECT without FROM is one row
        _check_server(facts, require_durable=config.database.require_durable)
        await _check_migrations(connection, known)
        await _check_privileges(connection)
        await _check_associations(connection, config.associations)
    return tuple(_warnings(facts, config))


def _check_server(facts: asyncpg.Record, *, require_durable: bool) -> None:
    if facts["version_number"] < OLDEST_VERSION * 10_000:
        raise UnfitDatabaseError(f"PostgreSQL {OLDEST_VERSION} or newer is needed, this is {facts['version']}")
    if facts["encoding"] != "UTF8":
        raise UnfitDatabaseError(f"the database's encoding must be UTF8, not {facts['encoding']}: create it anew")
    for setting in ("fsync", "full_page_writes"):
        if require_durable and facts[setting] != "on":
            raise UnfitDatabaseError(
                f"the server runs with {setting} off and may lose what was acknowledged: turn it on, "
                "or set database.require_durable to false"
            )


async def _check_migrations(connection: asyncpg.Connection, known: Known) -> None:
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
        fault = _association_fault(facts[quote_identifier(table)])
        if fault:
            raise UnfitAssociationError(f"associations.{association_type}: {table} {fault}")


def _association_fault(facts: asyncpg.Record) -> str | None:
    if not facts["is_table"]:
        return "is no table of this database"
    if not facts["has_bigint_id"] or not facts["has_unique_id"]:
        return 'needs a column "id" of type bigint with a unique index'
    if not facts["may_read"] or not facts["may_hold"]:
        return "cannot be referred to: grant the database role SELECT and UPDATE on it"
    return None


def _warnings(facts: asyncpg.Record, config: Config) -> list[str]:
    warnings = []
    if facts["synchronous_commit"] not in ("on", "remote_apply"):
        warnings.append(f"synchronous_commit is {facts['synchronous_commit']}: a crash may lose what was acknowledged")
    # One more a worker follows the registry, and while workers are replaced there are twice as many.
    wanted = 2 * config.server.workers * (config.database.pool_size + 1) + CONSOLE_POOL_SIZE
    if wanted > facts["connections"]:
        warnings.append(f"{wanted} connections are wanted at the most, the server allows {facts['connections']}")
    return warnings
