"""The audit: what operators changed, by the console or by a command."""

import contextlib
from collections.abc import AsyncIterator, Mapping

import asyncpg
import orjson

from service.database.errors import translate_statement_errors
from service.database.pool import Database
from service.database.queries import QUERIES
from service.storage.pages import PAGE_SIZE, Page, page_of
from service.storage.statements import fetch

Details = Mapping[str, object]
Changer = Database | asyncpg.Connection
Audited = contextlib.AbstractAsyncContextManager[asyncpg.Connection]


class NothingChanged(Exception):
    """Raised inside `audited` when there was nothing to change: it ends the block without a record."""


@contextlib.asynccontextmanager
async def audited(executor: Changer, actor: str, action: str, details: Details) -> AsyncIterator[asyncpg.Connection]:
    """A connection for one change, which is committed in one transaction with its record in `audit`.

    `details` is written at the end, so the caller may add to it. Any exception undoes the change; `NothingChanged` is
    not passed on. Raises a `DatabaseError`. After `ConnectionLost` the transaction may have been committed.
    """
    async with _connection(executor) as connection:
        with contextlib.suppress(NothingChanged), translate_statement_errors():
            async with connection.transaction():
                yield connection
                await record_change(connection, actor, action, details)


async def record_change(connection: asyncpg.Connection, actor: str, action: str, details: Details) -> None:
    """Record a change in the audit, in the transaction of the caller. Raises a `DatabaseError`."""
    await fetch(connection, QUERIES["record_audit"], actor, action, orjson.dumps(details).decode())


def _connection(executor: Changer) -> Audited:
    return executor.connection() if isinstance(executor, Database) else contextlib.nullcontext(executor)


async def list_audit(database: Database, before: int) -> Page:
    """The changes before an id, newest first."""
    return page_of(await fetch(database, QUERIES["list_audit"], before, PAGE_SIZE + 1), "id")
