"""The database connection of a command."""

import asyncio
import contextlib
import os
import pwd
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import asyncpg

from service.config import Config
from service.config.resources import resource
from service.database.checks import UnfitDatabaseError, refuse_transaction_pooling
from service.database.connection import APPLICATION_NAME, connect
from service.database.migrations import Migration, load_migrations, pending_migrations
from service.embedded_postgres.server import attach_or_run
from service.storage.audit import Details, audited, record_change

T = TypeVar("T")


def run(work: Callable[[asyncpg.Connection], Awaitable[T]], config: Config, *, may_create: bool = False) -> T:
    """Return the result of `work`, called with a connection to the database. See `connected`.

    Raises `UnfitDatabaseError` if migrations are pending.
    """

    async def migrated() -> T:
        async with connected(config, may_create=may_create) as connection:
            pending = await pending_migrations(connection, load_migrations(resource("sql") / "migrations"))
            if pending:
                raise UnfitDatabaseError("migrations are pending: run `requirements-service migrate` first")
            return await work(connection)

    return asyncio.run(migrated())


def change(
    work: Callable[[asyncpg.Connection], Awaitable[T]],
    config: Config,
    action: str,
    details: Details,
    *,
    may_create: bool = False,
) -> T:
    """Return the result of `work`, committed in one transaction with its record in the audit.

    `work` may add to `details`. If it raises an exception, nothing is changed. `may_create`, and what is raised, as
    for `run`.
    """

    async def recorded(connection: asyncpg.Connection) -> T:
        async with audited(connection, actor(), action, details) as transaction:
            return await work(transaction)

    return run(recorded, config, may_create=may_create)


async def audit_migration(connection: asyncpg.Connection, migration: Migration) -> None:
    """Record a migration in the audit, in the transaction that applies it."""
    await record_change(connection, actor(), "migrate", {"migration": str(migration)})


def actor() -> str:
    """Who runs the command, for the audit: `cli:` and the name of the operating system's user, or else its number."""
    # Not getpass.getuser, which believes the environment.
    user = os.getuid()
    try:
        return f"cli:{pwd.getpwuid(user).pw_name}"
    except KeyError:
        return f"cli:{user}"


@contextlib.asynccontextmanager
async def connected(config: Config, *, may_create: bool = False) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the configured database, or else to the embedded one, which is started if it is not running.

    Raises `EmbeddedPostgresError` if there is no embedded one, unless `may_create`, and `UnfitDatabaseError` for an
    address that cannot be used.
    """
    async with contextlib.AsyncExitStack() as stack:
        url = config.database.url
        if url is None:
            url = await stack.enter_async_context(attach_or_run(config.data_folder, may_create=may_create))
        connection = await connect(config.database, url, f"{APPLICATION_NAME} command", statement_timeout_seconds=0)
        stack.push_async_callback(connection.close)
        await refuse_transaction_pooling(connection, config.database)
        yield connection
