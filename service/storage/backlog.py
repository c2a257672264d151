"""What waits for someone, as the tables say."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.database.pool import Database
from service.database.queries import QUERIES


@dataclass(frozen=True, slots=True)
class Backlog:
    """E-mails that wait or were given up, by state, and notifications that nobody has acknowledged."""

    emails: Mapping[str, int]
    oldest_pending_email_seconds: float
    unacknowledged_notifications: int


async def read_backlog(database: Database, timeout: float) -> Backlog:
    """The backlog as it is now, within `timeout` seconds. Raises a `DatabaseError`."""
    (row,) = await database.fetch(QUERIES["backlog"], timeout=timeout)
    return Backlog(
        {"pending": row["pending_emails"], "dead": row["dead_emails"]},
        row["oldest_pending_email_seconds"],
        row["unacknowledged_notifications"],
    )


async def count_sent_emails(database: Database, timeout: float) -> int:
    """How many sent e-mails are kept, within `timeout` seconds. Raises a `DatabaseError`."""
    (row,) = await database.fetch(QUERIES["count_sent_emails"], timeout=timeout)
    count: int = row["count"]
    return count
