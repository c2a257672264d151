"""Purges: delete rows that are older than the settings under `retention`."""

from collections.abc import Callable
from datetime import timedelta

import asyncpg

from service.config import RetentionConfig
from service.database.queries import QUERIES
from service.storage.audit import NothingChanged, audited
from service.storage.requirement_feed import adopt_feed
from service.storage.statements import Rows, fetch


async def purge_sessions(connection: asyncpg.Connection, retention: RetentionConfig, actor: str) -> int:
    """Delete sessions that ended more than `expired_sessions_days` ago. Return how many were deleted.

    If there were any, the audit gets a record by `actor`. Raises a `DatabaseError`.
    """
    return await _purge(connection, QUERIES["purge_sessions"], "sessions", retention.expired_sessions_days, actor)


async def purge_all(
    connection: asyncpg.Connection, retention: RetentionConfig, actor: str, *, distributed: bool = False
) -> dict[str, int]:
    """Delete old sessions, sent e-mails, notifications and changes. Return how many of each were deleted.

    Each kind is deleted in a transaction of its own and recorded as by `purge_sessions`. `distributed` is whether
    requirements is distributed over several servers: then the changes are no feed. Raises a `DatabaseError`.
    """
    kinds = (
        ("e-mails", QUERIES["purge_emails"], retention.sent_emails_days),
        ("notifications", QUERIES["purge_notifications"], retention.notifications_days),
    )
    counts = {"sessions": await purge_sessions(connection, retention, actor)}
    for kind, query, days in kinds:
        counts[kind] = await _purge(connection, query, kind, days, actor)
    if distributed:
        days = retention.changes_days
        count = await _purge(connection, QUERIES["purge_changes_distributed"], "changes", days, actor)
    else:
        count = await purge_changes(connection, retention, actor)
    return counts | {"changes": count}


async def purge_changes(connection: asyncpg.Connection, retention: RetentionConfig, actor: str) -> int:
    """Delete the beginning of the change feed, up to `changes_days` ago. Return how many changes it no longer has.

    Each purge notes which transactions have ended by then, from which later purges derive how old a change is: changes
    are kept longer by at most the time between two purges. It is recorded as by `purge_sessions`. Raises a
    `DatabaseError`.
    """
    # What purges have noted counts only in the database in which they were.
    await adopt_feed(connection)
    await fetch(connection, QUERIES["mark_changes"])
    query, days = QUERIES["purge_changes"], retention.changes_days
    return await _purge(connection, query, "changes", days, actor, lambda rows: rows[0]["count"])


async def _purge(
    connection: asyncpg.Connection,
    query: str,
    kind: str,
    days: int,
    actor: str,
    count_in: Callable[[Rows], int] = len,
) -> int:
    """`count_in` is how the number of deleted rows is read from the rows that the query returns."""
    details: dict[str, object] = {"deleted": kind, "older_than_days": days}
    count = 0
    async with audited(connection, actor, "purge", details) as transaction:
        details["count"] = count = count_in(await fetch(transaction, query, timedelta(days=days)))
        if not count:
            raise NothingChanged
    return count
