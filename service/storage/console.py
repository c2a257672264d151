"""What the operations console reads, page by page, and the audit of what it changes."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import asyncpg
import orjson

from service.database.errors import translate_statement_errors
from service.database.pool import Database
from service.database.queries import QUERIES
from service.domain.references import Reference

PAGE = 50
LAST_ID = 2**63 - 1

# Counting for a badge ends here: beyond it nobody cares for the exact number.
MOST_COUNTED = 1000

Rows = list[asyncpg.Record]
Details = Mapping[str, object]
Audited = contextlib.AbstractAsyncContextManager[asyncpg.Connection]


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows in their order, and where the next page goes on: None on the last one."""

    rows: Rows
    next: int | str | None


@contextlib.asynccontextmanager
async def audited(database: Database, actor: str, action: str, details: Details) -> AsyncIterator[asyncpg.Connection]:
    """A connection for one change, which is committed together with its record in `audit`, or not at all.

    `details` may be added to while the change is made. Raises a `DatabaseError`: after `ConnectionLost` both may be
    there, or neither.
    """
    async with database.connection() as connection:
        with translate_statement_errors():
            async with connection.transaction():
                yield connection
                await connection.execute(QUERIES["record_audit"], actor, action, orjson.dumps(details).decode())


async def list_registry(database: Database) -> Rows:
    """Every service and its routes."""
    return await database.fetch(QUERIES["list_registry"])


async def list_audit(database: Database, before: int) -> Page:
    """The changes before that id, newest first."""
    return _page(await database.fetch(QUERIES["list_audit"], before, PAGE + 1), "id")


async def list_notifications(database: Database, before: int, kind: str | None, *, unread: bool) -> Page:
    """The notifications before that id, newest first; of one kind, or only unread ones, where that is asked for."""
    return _page(await database.fetch(QUERIES["page_notifications"], before, kind, unread, PAGE + 1), "id")


async def find_notification(database: Database, notification_id: int) -> asyncpg.Record | None:
    """One notification, if it is there."""
    return _first(await database.fetch(QUERIES["find_notification"], notification_id))


async def list_notification_kinds(database: Database) -> list[str]:
    """The kinds of notifications that there are."""
    return [row["kind"] for row in await database.fetch(QUERIES["list_notification_kinds"])]


async def count_unread(database: Database) -> int:
    """How many notifications nobody has acknowledged, at most `MOST_COUNTED`."""
    (row,) = await database.fetch(QUERIES["count_unread_notifications"], MOST_COUNTED)
    count: int = row["count"]
    return count


async def acknowledge(connection: asyncpg.Connection, notification_id: int) -> bool:
    """Acknowledge one notification; whether it was unread."""
    return bool(await connection.fetch(QUERIES["acknowledge_one_notification"], notification_id))


async def acknowledge_all(connection: asyncpg.Connection, until: int, kind: str | None) -> int:
    """Acknowledge all unread notifications up to an id, or those of one kind; how many there were."""
    return len(await connection.fetch(QUERIES["acknowledge_seen_notifications"], until, kind))


async def list_requirements(database: Database, before: int) -> Page:
    """The requirements before that id, newest first."""
    return _page(await database.fetch(QUERIES["list_requirements"], before, PAGE + 1), "id")


async def list_requirements_by_required(database: Database, before: int, required: Reference) -> Page:
    """The requirements of one thing by others, before that id, newest first."""
    query = QUERIES["list_requirements_by_required"]
    return _page(await database.fetch(query, before, PAGE + 1, required.type, required.id), "id")


async def list_requirements_by_requireable(database: Database, before: int, requireable: Reference) -> Page:
    """What one thing requires, before that id, newest first."""
    query = QUERIES["list_requirements_by_requireable"]
    return _page(await database.fetch(query, before, PAGE + 1, requireable.type, requireable.id), "id")


async def list_requirements_by_key(database: Database, before: int, key: str) -> Page:
    """The requirements with a key, before that id, newest first."""
    return _page(await database.fetch(QUERIES["list_requirements_by_key"], before, PAGE + 1, key), "id")


async def page_applications(database: Database, after: str) -> Page:
    """The applications after that slug."""
    return _page(await database.fetch(QUERIES["page_applications"], after, PAGE + 1), "slug")


async def find_application(database: Database, application_id: int) -> asyncpg.Record | None:
    """One application, if it is there."""
    return _first(await database.fetch(QUERIES["find_application"], application_id))


async def list_application_tokens(database: Database, application_id: int) -> Rows:
    """The latest tokens of an application, those alive first."""
    return await database.fetch(QUERIES["list_application_tokens"], application_id, PAGE)


async def page_sessions(database: Database, before: int, email: str | None) -> Page:
    """The sessions before that id, newest first; of one user where an address is given."""
    if email is None:
        return _page(await database.fetch(QUERIES["page_sessions"], before, PAGE + 1), "id")
    return _page(await database.fetch(QUERIES["page_sessions_of_user"], before, PAGE + 1, email), "id")


def _page(rows: Rows, place: str) -> Page:
    """One row more than a page was asked for: it tells whether there is a next one."""
    shown = rows[:PAGE]
    return Page(shown, shown[-1][place] if len(rows) > PAGE else None)


def _first(rows: Rows) -> asyncpg.Record | None:
    return rows[0] if rows else None
