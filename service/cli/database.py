"""The database connection of a command."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import asyncpg

from service.config import Config
from service.config.resources import resource
from service.database.checks import UnfitDatabaseError
from service.database.connection import connect
from service.database.migrations import load_migrations, pending_migrations
from service.embedded_postgres.server import attach_or_run

T = TypeVar("T")


def run(work: Callable[[asyncpg.Connection], Awaitable[T]], config: Config) -> T:
    """Return the result of `work`, called with a connection to the database.

    Raises `UnfitDatabaseError` if migrations are pending.
    """

    async def migrated() -> T:
        async with connected(config) as connection:
            pending = await pending_migrations(connection, load_migrations(resource("sql") / "migrations"))
            if pending:
                raise UnfitDatabaseError("migrations are pending: run `requirements-service migrate` first")
            return await work(connection)

    return asyncio.run(migrated())


@contextlib.asynccontextmanager
async def connected(config: Config) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the configured database, or else to the embedded one, which is started if it is not running."""
    async with contextlib.AsyncExitStack() as stack:
        url = config.database.url
        if url is None:
            url = await stack.enter_async_context(attach_or_run(config.data_folder))
        connection = await connect(config.database, url, "requirements-service command", statement_timeout_seconds=0)
        stack.push_async_callback(connection.close)
        yield connection
