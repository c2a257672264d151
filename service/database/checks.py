"""Checks of the PostgreSQL server and database, run before the service uses them."""

from collections.abc import Mapping

import asyncpg

from service.config import Config, DatabaseConfig
from service.database.connection import APPLICATION_NAME, connect
from service.database.errors import DatabaseError, translate_statement_errors
from service.database.migrations import Migrations, pending_migrations
from service.database.pool import CONSOLE_POOL_SIZE
from service.database.queries import QUERIES, quote_identifier

OLDEST_VERSION = 15

ROW_SECURITY = "has row-level security, which hides rows from the database role: disable it, or give the role BYPASSRLS"
TRANSACTION_POOLING = (
    "the address is that of a pooler (such as PgBouncer) in transaction or statement mode, which loses session "
    "settings and notifications: use the server's direct address, or pool_mode=session"
)


class UnfitDatabaseError(DatabaseError):
    """The service must not use this database. The message is one line with the reason and the remedy."""


class UnfitAssociationError(UnfitDatabaseError):
    """The table of a configured association type cannot be used."""


async def check_database(connection: asyncpg.Connection, config: Config, known: Migrations) -> tuple[str, ...]:
    """Check the database and return warnings about settings that are risky but allowed.

    Raises `UnfitDatabaseError` if the service must not use the database, or another `DatabaseError` if a check fails.
    """
    await refuse_transaction_pooling(connection, config.database)
    with translate_statement_errors():
        facts = await connection.fetchrow(QUERIES["server_facts"])
        assert facts is not None  # noqa: S101 - a SELECT without FROM returns one row
        _check_server(facts, require_durable=config.database.require_durable)
        await _check_settings(connection)
        await _check_migrations(connection, known)
        _check_distribution(facts, config.database)
        await _check_privileges(connection)
        await _check_tables(connection, require_durable=config.database.require_durable)
        await _check_associations(connection, config.association_tables)
    return tuple(_warnings(facts, config))


async def refuse_transaction_pooling(connection: asyncpg.Connection, settings: DatabaseConfig) -> None:
    """Raise `UnfitDatabaseError` if a pooler gives the server's processes to its clients for one transaction each.

    Without a pooler this is one statement. Otherwise a second connection tries to get the process of the first. Raises
    `DatabaseError` if that fails.
    """
    with translate_statement_errors():
        try:
            process = await connection.fetchval(QUERIES["backend_pid"])
            # A pooler does not tell its clients the process of the server, which may change.
            if process == connection.get_server_pid() or settings.url is None:
                return
            other = await connect(settings, settings.url, f"{APPLICATION_NAME} start")
            try:
                async with other.transaction():
                    borrowed = await other.fetchval(QUERIES["backend_pid"])
                    kept = borrowed != process and process == await connection.fetchval(QUERIES["backend_pid"])
            finally:
                other.terminate()
        except (
            asyncpg.DuplicatePreparedStatementError,
            asyncpg.InvalidSQLStatementNameError,
            asyncpg.ProtocolViolationError,
        ) as error:
            # The statements that a connection has prepared are in another process of the server.
            raise UnfitDatabaseError(TRANSACTION_POOLING) from error
        except asyncpg.ConnectionDoesNotExistError as error:
            # PgBouncer in statement mode: "transaction blocks not allowed in statement pooling mode".
            if "pooling mode" in str(error):
                raise UnfitDatabaseError(TRANSACTION_POOLING) from error
            raise
    if not kept:
        raise UnfitDatabaseError(TRANSACTION_POOLING)


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


def _check_distribution(facts: asyncpg.Record, settings: DatabaseConfig) -> None:
    if facts["distributed"] and not settings.distributed:
        raise UnfitDatabaseError("requirements is distributed over several servers: set database.distributed to true")
    if settings.distributed and not facts["distributed"]:
        raise UnfitDatabaseError(
            "database.distributed is true, but requirements is not distributed: run deploy/citus/distribute.sql"
        )


async def _check_settings(connection: asyncpg.Connection) -> None:
    for row in await connection.fetch(QUERIES["misleading_settings"]):
        raise UnfitDatabaseError(
            f"{row['name']} is {row['setting']}, which hides or changes data: "
            "reset it for the server, the database and the role"
        )


async def _check_tables(connection: asyncpg.Connection, *, require_durable: bool) -> None:
    for row in await connection.fetch(QUERIES["misleading_tables"]):
        problem = _table_problem(row, require_durable=require_durable)
        if problem:
            raise UnfitDatabaseError(f"{row['name']} {problem}")


def _table_problem(facts: asyncpg.Record, *, require_durable: bool) -> str | None:
    if facts["is_no_table"]:
        return "is not a table: restore the table that `migrate` made"
    if facts["filters_rows"]:
        return ROW_SECURITY
    if facts["has_rules"]:
        return "has rules, which change what is written: drop them"
    if require_durable and facts["is_unlogged"]:
        return "is unlogged and loses acknowledged writes in a crash: set it to LOGGED"
    return None


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
    if facts["filters_rows"]:
        return ROW_SECURITY
    if not facts["has_bigint_id"] or not facts["has_unique_id"]:
        return 'needs a column "id" of type bigint with a unique index'
    if not facts["may_read"] or not facts["may_hold"]:
        return "cannot be referenced: grant the database role SELECT and UPDATE on it"
    return None


def _warnings(facts: asyncpg.Record, config: Config) -> list[str]:
    warnings = []
    if facts["synchronous_commit"] not in ("on", "remote_apply"):
        warnings.append(f"synchronous_commit is {facts['synchronous_commit']}: a crash may lose acknowledged writes")
    # A worker also keeps one connection to LISTEN for registry changes, and one to compare the primary with a replica.
    # While workers are being replaced, old and new ones run side by side, which doubles the number.
    others = 1 if config.database.replica_url is None else 2
    pools = (config.database.pool_size, config.database.read_pool_size, config.database.batch_pool_size)
    per_worker = sum(pools) + others
    needed = 2 * config.server.workers * per_worker + CONSOLE_POOL_SIZE
    if needed > facts["connections"]:
        warnings.append(f"the service may need {needed} connections, but the server allows {facts['connections']}")
    return warnings
