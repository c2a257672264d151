"""The numbers that only the database knows: queried with a timeout, and cached for a short time."""

import asyncio
import time
from dataclasses import dataclass, replace

import structlog

from service.database.errors import DatabaseError
from service.database.migrations import Migrations, pending_migrations
from service.database.pool import Database
from service.storage.backlog import Backlog, count_sent_emails, read_backlog
from service.storage.requirement_feed import read_oldest_open_transaction

# A scrape of Prometheus times out after 10 s by default. A missing number is better than a late answer.
TIMEOUT_SECONDS = 1.0

# All readers within this time share one result.
CACHE_SECONDS = 2.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StatsSnapshot:
    """The result of one query. None: the database did not answer in time."""

    database_up: bool = False
    pending_migrations: int | None = None
    backlog: Backlog | None = None
    changes_horizon_age_seconds: float | None = None
    sent_emails: int | None = None

    @property
    def emails(self) -> dict[str, int] | None:
        """E-mails by state. Without `sent` if only that count is unknown."""
        if self.backlog is None:
            return None
        sent = {} if self.sent_emails is None else {"sent": self.sent_emails}
        return {**self.backlog.emails, **sent}


class _Horizon:
    """How long the oldest transaction has been under way, as far as it was looked at.

    The server shows the start of a transaction only to the transaction's role and to superusers.
    """

    def __init__(self) -> None:
        self._oldest: int | None = None
        self._since = 0.0

    def age(self, oldest: int | None) -> float:
        """The seconds since `oldest`, which is the oldest transaction now, was first seen. 0 if there is none."""
        now = time.monotonic()
        if oldest is None or oldest != self._oldest:
            self._oldest, self._since = oldest, now
        return now - self._since


class DatabaseStats:
    """Queries the database for its stats and caches the result."""

    def __init__(self, database: Database, known: Migrations) -> None:
        """`known` holds the migrations of this build."""
        self._database = database
        self._known = known
        self._lock = asyncio.Lock()
        self._snapshot = StatsSnapshot()
        self._cached_until = -1.0
        self._horizon = _Horizon()

    async def snapshot(self) -> StatsSnapshot:
        """The current stats, at most `CACHE_SECONDS` old. Returns within `TIMEOUT_SECONDS`."""
        async with self._lock:
            if time.monotonic() >= self._cached_until:
                await self._refresh()
                self._cached_until = time.monotonic() + CACHE_SECONDS
            return self._snapshot

    async def _refresh(self) -> None:
        # Each result is stored at once, so that a later timeout does not lose it.
        self._snapshot = StatsSnapshot()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                async with self._database.connection() as connection:
                    pending = len(await pending_migrations(connection, self._known))
                self._snapshot = StatsSnapshot(database_up=True, pending_migrations=pending)
                backlog = await read_backlog(self._database, TIMEOUT_SECONDS)
                self._snapshot = replace(self._snapshot, backlog=backlog)
                age = self._horizon.age(await read_oldest_open_transaction(self._database, TIMEOUT_SECONDS))
                self._snapshot = replace(self._snapshot, changes_horizon_age_seconds=age)
                sent = await count_sent_emails(self._database, TIMEOUT_SECONDS)
                self._snapshot = replace(self._snapshot, sent_emails=sent)
        except (DatabaseError, TimeoutError) as error:
            log.info("database-stats-unavailable", reason=str(error) or "timeout")
