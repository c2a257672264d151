"""What the team is told of: what went wrong, how often, and whether anyone has seen it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from service.database.errors import translate_statement_errors
from service.database.pool import Database
from service.database.queries import QUERIES

APPLICATION_CRASH = "application-crash"
EMAIL_FAILED = "email-failed"  # at the attempt of the request that made it
EMAIL_DEAD = "email-dead"  # at the last attempt


@dataclass(frozen=True, slots=True)
class Notification:
    """One thing that the team is told of; `message` is a sentence, `details` are plain values."""

    kind: str
    message: str
    request_id: str | None
    details: Mapping[str, Any]

    def columns(self) -> tuple[str, str, str | None, str]:
        """Its kind, message, request_id and details, as statements take them."""
        return self.kind, self.message, self.request_id, orjson.dumps(dict(self.details)).decode()


async def count_notification(database: Database, notification: Notification, cause: str, count: int) -> None:
    """Count `count` more of its kind and cause: one row a minute stands for all. Raises a `DatabaseError`."""
    kind, message, request_id, details = notification.columns()
    await database.fetch(QUERIES["count_notification"], kind, cause, message, count, request_id, details)


async def list_notifications(
    connection: asyncpg.Connection, limit: int, *, unread: bool = False, kind: str | None = None
) -> list[asyncpg.Record]:
    """The latest notifications: only unread ones, and only those of one kind, where asked for."""
    with translate_statement_errors():
        return await connection.fetch(QUERIES["list_notifications"], unread, kind, limit)


async def acknowledge_notifications(connection: asyncpg.Connection, ids: Sequence[int] | None) -> list[int]:
    """Mark those notifications, or all, as read; the ids of those that were unread."""
    with translate_statement_errors():
        rows = await connection.fetch(QUERIES["acknowledge_notifications"], ids)
    return [row["id"] for row in rows]
