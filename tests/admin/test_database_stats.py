"""Database stats: exact, cached, and missing instead of late or wrong."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from service.admin.history_sampler import sample_history
from service.admin.metrics_endpoint import render
from service.config import Config
from service.config.resources import resource
from service.database.migrations import Migrations, load_migrations
from service.database.pool import Database, open_database
from service.metrics.database_stats import DatabaseStats, StatsSnapshot
from service.metrics.files import metrics_folder
from service.metrics.history import History
from service.storage.backlog import Backlog
from tests.admin.scraping import Scrape
from tests.admin.test_files import write
from tests.serving.process import until

KNOWN: Migrations = load_migrations(resource("sql") / "migrations")

YEARS_100 = 100 * 365.25 * 86_400

BACKLOG = """
WITH requirement AS (
    INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id)
    VALUES ('User', 1, 'User', 1) RETURNING id
), emails AS (
    INSERT INTO emails (requirement_id, state, created_at)
    SELECT id, state, now() - age::interval FROM requirement, (VALUES
        ('pending', '90 seconds'), ('pending', '1 second'), ('dead', '1 hour'), ('sent', '1 day'), ('sent', '2 days'),
        ('sent', '3 days')
    ) AS wanted (state, age)
)
INSERT INTO notifications (kind, message, acknowledged_at)
VALUES ('crash', 'seen', now()), ('crash', 'not seen', null), ('crash', 'not seen either', null)
"""


@pytest.fixture
async def database(config: Config) -> AsyncIterator[Database]:
    """A pool on the test's database, opened as the internal listener does."""
    assert config.database.url is not None
    async with open_database(config.database, config.database.url) as database:
        yield database


async def test_the_backlog_is_counted(database: Database, connection: asyncpg.Connection) -> None:
    """The stats are e-mails by state, the age of the oldest pending e-mail, and unacknowledged notifications."""
    await connection.execute(BACKLOG)
    stats = await DatabaseStats(database, KNOWN).snapshot()
    assert stats.backlog is not None
    assert stats.emails == {"pending": 2, "dead": 1, "sent": 3}
    assert 90 <= stats.backlog.oldest_pending_email_seconds < 120
    assert (stats.backlog.unacknowledged_notifications, stats.pending_migrations) == (2, 0)


async def test_an_empty_backlog_is_zero(database: Database) -> None:
    """With an empty backlog all numbers are zero, not missing."""
    stats = await DatabaseStats(database, KNOWN).snapshot()
    expected = StatsSnapshot(
        database_up=True,
        pending_migrations=0,
        backlog=Backlog({"pending": 0, "dead": 0}, oldest_pending_email_seconds=0.0, unacknowledged_notifications=0),
        changes_horizon_age_seconds=0.0,
        sent_emails=0,
    )
    assert stats == expected


async def test_an_open_transaction_has_an_age(
    database: Database,
    connection: asyncpg.Connection,
    other: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The oldest transaction that writes holds the change feed back: its age counts from when it was first seen."""
    monkeypatch.setattr("service.metrics.database_stats.CACHE_SECONDS", 0.0)
    stats = DatabaseStats(database, KNOWN)
    async with connection.transaction():
        await connection.execute("SELECT pg_current_xact_id()")
        await other.execute("SELECT pg_current_xact_id()")
        began = time.monotonic()
        ages = [(await stats.snapshot()).changes_horizon_age_seconds for _ in range(3)]
        assert ages[0] == 0.0
        assert ages == sorted(ages, key=lambda age: age or 0.0)
        assert 0.0 < (ages[-1] or 0.0) <= time.monotonic() - began
    async with asyncio.timeout(5):
        while (await stats.snapshot()).changes_horizon_age_seconds:
            pass


@pytest.mark.parametrize(
    ("created_at", "seconds"),
    [
        ("infinity", 0.0),
        ("294276-12-31 23:59:59Z", 0.0),
        ("-infinity", YEARS_100),
        ("4713-01-01 00:00:00Z BC", YEARS_100),
    ],
)
async def test_an_email_at_the_end_of_time_has_an_age(
    database: Database, connection: asyncpg.Connection, created_at: str, seconds: float
) -> None:
    """A time that other software wrote has an age from 0 to 100 years, and does not hide the other numbers."""
    await connection.execute(BACKLOG)
    await connection.execute(f"UPDATE emails SET created_at = '{created_at}' WHERE state = 'pending'")  # noqa: S608
    stats = await DatabaseStats(database, KNOWN).snapshot()
    assert stats.backlog is not None
    assert stats.backlog.emails == {"pending": 2, "dead": 1}
    assert stats.backlog.oldest_pending_email_seconds == pytest.approx(seconds, rel=0.001)


async def test_without_tables_all_migrations_are_pending(database: Database, connection: asyncpg.Connection) -> None:
    """A database without migrations is up. The numbers of its missing tables are unknown."""
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    stats = await DatabaseStats(database, KNOWN).snapshot()
    assert stats == StatsSnapshot(database_up=True, pending_migrations=len(KNOWN))


@pytest.mark.parametrize(
    ("table", "expected"),
    [("emails", StatsSnapshot(database_up=True, pending_migrations=0)), ("schema_migrations", StatsSnapshot())],
)
async def test_a_locked_table_times_out(
    database: Database, connection: asyncpg.Connection, table: str, expected: StatsSnapshot
) -> None:
    """After the timeout, the numbers not read are missing and the others are kept."""
    async with connection.transaction():
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        stats = await DatabaseStats(database, KNOWN).snapshot()
    assert time.monotonic() - began < 2
    assert stats == expected


async def test_concurrent_readers_share_one_query(database: Database) -> None:
    """Concurrent readers share one query and get the same snapshot."""
    database_stats = DatabaseStats(database, KNOWN)
    found = await asyncio.gather(*(database_stats.snapshot() for _ in range(50)))
    assert all(stats is found[0] for stats in found)
    assert database.statements == 3


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        (StatsSnapshot(), {}),
        (StatsSnapshot(database_up=True, pending_migrations=3), {"requirements_migrations_pending": 3}),
        (
            StatsSnapshot(database_up=True, pending_migrations=0, backlog=Backlog({"pending": 4, "dead": 1}, 7.5, 2)),
            {
                "requirements_migrations_pending": 0,
                "requirements_emails": 5,
                "requirements_oldest_pending_email_age_seconds": 7.5,
                "requirements_notifications_unacknowledged": 2,
            },
        ),
        (
            StatsSnapshot(database_up=True, changes_horizon_age_seconds=3.5),
            {"requirements_changes_horizon_age_seconds": 3.5},
        ),
    ],
    ids=["nothing", "no tables", "no sent e-mails", "an open transaction"],
)
def test_unknown_numbers_are_missing(tmp_path: Path, stats: StatsSnapshot, expected: dict[str, float]) -> None:
    """An unknown number is missing: neither zero nor outdated."""
    with metrics_folder(tmp_path) as folder:
        found = Scrape(render(folder, stats).decode())
    always = {"requirements_build_info": 1.0, "requirements_database_up": float(stats.database_up)}
    assert {name: found.total(name) for name in found.names} == always | expected


async def test_the_sampler_fills_the_history(
    tmp_path: Path, database: Database, connection: asyncpg.Connection
) -> None:
    """A point has the measurements since the previous one and the database stats."""
    await connection.execute(BACKLOG)
    history = History()
    with metrics_folder(tmp_path) as folder:
        sampling = asyncio.create_task(sample_history(history, folder, DatabaseStats(database, KNOWN), 0.05))
        await until(history.points)
        write("0", 6)
        await until(lambda: any(point.in_flight for point in history.points()))
        sampling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sampling
    last = history.points()[-1]
    assert last.emails == {"pending": 2, "dead": 1, "sent": 3}
    assert last.unacknowledged_notifications == 2
    assert last.in_flight == 6
