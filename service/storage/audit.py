"""The audit of changes made in the console."""

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
Audited = contextlib.AbstractAsyncContextManager[asyncpg.Connection]


@contextlib.asynccontextmanager
async def audited(database: Database, actor: str, action: str, details: Details) -> AsyncIterator[asyncpg.Connection]:
    """A connection for one change, which is committed in one transaction with its record in `audit`.

    `details` is written at the end, so the caller may add to it. Raises a `DatabaseError`. After `ConnectionLost` the
    transaction may have been committed.
    """
    async with database.connection() as connection:
        with translate_statement_errors():
            async with connection.transaction():
                yield connection
                await connection.execute(QUERIES["record_audit"], actor, action, orjson.dumps(details).decode())


async def list_audit(database: Database, before: int) -> Page:
    """The changes before an id, newest first."""
    return page_of(await fetch(database, QUERIES["list_audit"], before, PAGE_SIZE + 1), "id")
