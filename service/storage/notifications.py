"""Notifications: errors that operators must see, counted and acknowledged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from service.database.pool import Database
from service.database.queries import QUERIES
from service.storage.pages import LAST_ID, PAGE_SIZE, Page, page_of
from service.storage.statements import Executor, fetch, fetch_first

APPLICATION_CRASH = "application-crash"
EMAIL_FAILED = "email-failed"  # the first attempt failed
EMAIL_DEAD = "email-dead"  # the last attempt failed

# The console shows "999+" from here on, so counting further is wasted work.
MOST_COUNTED = 1000


@dataclass(frozen=True, slots=True)
class Notification:
    """One error to notify operators of. `message` is a sentence; `details` are values that JSON can hold."""

    kind: str
    message: str
    request_id: str | None
    details: Mapping[str, Any]

    def columns(self) -> tuple[str, str, str | None, str]:
        """The kind, message, request_id and details, as parameters of a statement."""
        return self.kind, self.message, self.request_id, orjson.dumps(dict(self.details)).decode()


async def count_notification(database: Database, notification: Notification, cause: str, count: int) -> None:
    """Add `count` to the row of the notification's kind and cause, of which there is at most one a minute.

    Raises a `DatabaseError`.
    """
    kind, message, request_id, details = notification.columns()
    await database.fetch(QUERIES["count_notification"], kind, cause, message, count, request_id, details)


async def list_notifications(
    executor: Executor, before: int = LAST_ID, kind: str | None = None, *, unread: bool = False, size: int = PAGE_SIZE
) -> Page:
    """The notifications before an id, newest first; only those of one kind if `kind` is given."""
    return page_of(await fetch(executor, QUERIES["list_notifications"], before, kind, unread, size + 1), "id", size)


async def find_notification(executor: Executor, notification_id: int) -> asyncpg.Record | None:
    """One notification, or None if it does not exist."""
    return await fetch_first(executor, QUERIES["find_notification"], notification_id)


async def list_notification_kinds(executor: Executor) -> list[str]:
    """The kinds of the notifications that exist, in alphabetical order."""
    return [row["kind"] for row in await fetch(executor, QUERIES["list_notification_kinds"])]


async def count_unread(executor: Executor) -> int:
    """The number of unread notifications, at most `MOST_COUNTED`."""
    (row,) = await fetch(executor, QUERIES["count_unread_notifications"], MOST_COUNTED)
    count: int = row["count"]
    return count


async def acknowledge(connection: asyncpg.Connection, ids: Sequence[int]) -> int:
    """Acknowledge the unread ones among these notifications. Return how many there were."""
    return len(await fetch(connection, QUERIES["acknowledge_notifications"], ids))


async def acknowledge_all(connection: asyncpg.Connection, until: int = LAST_ID, kind: str | None = None) -> int:
    """Acknowledge every unread notification up to an id, of one kind if `kind` is given. Return how many there were."""
    return len(await fetch(connection, QUERIES["acknowledge_all_notifications"], until, kind))
