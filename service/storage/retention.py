"""Purges: delete rows that are older than the settings under `retention`."""

from datetime import timedelta

import asyncpg

from service.config import RetentionConfig
from service.database.queries import QUERIES
from service.storage.statements import fetch


async def purge_sessions(connection: asyncpg.Connection, retention: RetentionConfig) -> int:
    """Delete sessions that ended more than `expired_sessions_days` ago. Return how many were deleted."""
    return await _purge(connection, QUERIES["purge_sessions"], retention.expired_sessions_days)


async def purge_all(connection: asyncpg.Connection, retention: RetentionConfig) -> dict[str, int]:
    """Delete old sessions, sent e-mails and notifications. Return how many of each were deleted."""
    return {
        "sessions": await purge_sessions(connection, retention),
        "e-mails": await _purge(connection, QUERIES["purge_emails"], retention.sent_emails_days),
        "notifications": await _purge(connection, QUERIES["purge_notifications"], retention.notifications_days),
    }


async def _purge(connection: asyncpg.Connection, query: str, days: int) -> int:
    return len(await fetch(connection, query, timedelta(days=days)))
