"""Counts of the e-mails and notifications that wait, for the metrics."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.database.pool import Database
from service.database.queries import QUERIES


@dataclass(frozen=True, slots=True)
class Backlog:
    """The number of e-mails that are pending or dead, by state, and of unread notifications."""

    emails: Mapping[str, int]
    oldest_pending_email_seconds: float
    unacknowledged_notifications: int


async def read_backlog(database: Database, timeout: float) -> Backlog:
    """Read the current backlog. `timeout` is in seconds. Raises a `DatabaseError`."""
    (row,) = await database.fetch(QUERIES["backlog"], timeout=timeout)
    return Backlog(
        {"pending": row["pending_emails"], "dead": row["dead_emails"]},
        row["oldest_pending_email_seconds"],
        row["unacknowledged_notifications"],
    )


async def count_sent_emails(database: Database, timeout: float) -> int:
    """Count the sent e-mails that are kept. `timeout` is in seconds. Raises a `DatabaseError`."""
    (row,) = await database.fetch(QUERIES["count_sent_emails"], timeout=timeout)
    count: int = row["count"]
    return count
