"""Retention of the change feed: what is purged, what never is, and how a reader learns of it."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from service.config import Config, RetentionConfig
from service.domain.callers import Viewer
from service.domain.feed import FeedFilters, Position
from service.storage.requirement_feed import read_feed, read_feed_page
from service.storage.retention import purge_changes
from tests.api.feed import INSERT
from tests.api.waiting import wait_for_other_transactions

EVERYONE = Viewer(sees_all=True, user_id=None)
OLD = "UPDATE change_marks SET marked_at = marked_at - interval '31 days'"
DESTROY = "DELETE FROM requirements WHERE value = $1"


@pytest.fixture
def retention(config: Config) -> RetentionConfig:
    """The default retention: changes are kept for 30 days."""
    return config.retention


async def purge(connection: asyncpg.Connection, retention: RetentionConfig) -> int:
    """Purge, and return the number of changes that the feed no longer returns."""
    return await purge_changes(connection, retention, "test")


async def age(connection: asyncpg.Connection, retention: RetentionConfig) -> None:
    """Let all that is committed now become older than 30 days, for later purges."""
    await wait_for_other_transactions(connection)
    await purge(connection, retention)
    await connection.execute(OLD)


async def returned(
    connection: asyncpg.Connection, after: Position | None = None
) -> list[tuple[str, str | None]] | None:
    """The change and the value of each event after a position; None if it is no longer kept."""
    await wait_for_other_transactions(connection)
    feed = await read_feed(connection)
    page = await read_feed_page(connection, feed, after or feed.kept_after, 100, FeedFilters(), EVERYONE)
    return None if page is None else [(event.change, event.requirement.value) for event in page.events]


async def test_nothing_is_purged_before_its_time(connection: asyncpg.Connection, retention: RetentionConfig) -> None:
    """A change is kept until a purge of 30 days ago, after its commit, says that it is older."""
    await connection.execute(INSERT, "a")
    await connection.execute("UPDATE requirements SET created_at = '1999-01-01Z', updated_at = '1999-01-01Z'")
    for _ in range(3):
        assert await purge(connection, retention) == 0
    assert len(await returned(connection) or []) == 2


async def test_old_changes_are_purged(connection: asyncpg.Connection, retention: RetentionConfig) -> None:
    """Earlier changes are no longer returned, wherever they are stored; later ones are, and the table stays."""
    for value in ("unchanged", "changed", "gone"):
        await connection.execute(INSERT, value)
    await connection.execute("UPDATE requirements SET value = 'changed!' WHERE value = 'changed'")
    await connection.execute(DESTROY, "gone")
    await age(connection, retention)
    await connection.execute(INSERT, "new")
    assert await purge(connection, retention) == 5
    assert await returned(connection) == [("created", "new")]
    assert await connection.fetchval("SELECT count(*) FROM requirements") == 3
    assert await connection.fetchval("SELECT count(*) FROM changes") == 0
    await connection.execute("UPDATE requirements SET value = value || '?' WHERE value = 'unchanged'")
    assert await returned(connection) == [("created", "new"), ("updated", "unchanged?")]
    assert await purge(connection, retention) == 1
    assert await returned(connection) == [("created", "new"), ("updated", "unchanged?")]


async def test_the_key_of_a_create_is_kept(connection: asyncpg.Connection, retention: RetentionConfig) -> None:
    """A creation with an Idempotency-Key outlives purges until its destroy is purged, also after an update."""
    await connection.execute(INSERT, "keyed")
    await connection.execute(r"UPDATE requirements SET params_digest = '\x00'")
    creation = "SELECT count(*) FROM changes WHERE change = 'created' AND params_digest IS NOT NULL"
    await connection.execute("UPDATE requirements SET value = 'updated'")
    await connection.execute(r"UPDATE changes SET params_digest = '\x00' WHERE change = 'created'")
    for _ in range(2):
        await age(connection, retention)
        await purge(connection, retention)
        assert await connection.fetchval(creation) == 1
    await connection.execute(DESTROY, "updated")
    await purge(connection, retention)
    assert await connection.fetchval(creation) == 1
    await age(connection, retention)
    await purge(connection, retention)
    assert await connection.fetchval(creation) == 0


async def test_a_reader_who_has_read_everything(connection: asyncpg.Connection, retention: RetentionConfig) -> None:
    """The position of the last purged change stays valid however long nothing is written; earlier ones do not."""
    for value in ("a", "b"):
        await connection.execute(INSERT, value)
    await age(connection, retention)
    feed = await read_feed(connection)
    page = await read_feed_page(connection, feed, feed.kept_after, 100, FeedFilters(), EVERYONE)
    assert page is not None
    assert await purge(connection, retention) == 2
    await age(connection, retention)
    assert await purge(connection, retention) == 0
    assert await returned(connection, page.next) == []
    assert await returned(connection, page.events[0].position) is None
    assert await returned(connection, feed.kept_after) is None


async def test_an_open_transaction_is_not_purged(
    connection: asyncpg.Connection, other: asyncpg.Connection, retention: RetentionConfig
) -> None:
    """What a transaction writes that was open at the purge of 30 days ago is kept, and so is all that it held back."""
    async with other.transaction():
        await other.execute(INSERT, "open")
        await connection.execute(INSERT, "held back")
        await purge(connection, retention)
        await connection.execute(OLD)
    assert await purge(connection, retention) == 0
    assert await returned(connection) == [("created", "open"), ("created", "held back")]


async def test_a_key_outlives_the_purge_of_its_creation(
    connection: asyncpg.Connection, retention: RetentionConfig
) -> None:
    """The request_uid of a create is kept as long as the destroy of its requirement, and is purged with it."""
    await connection.execute(INSERT, "a")
    uid = await connection.fetchval("SELECT request_uid FROM requirements")
    found = "SELECT count(*) FROM changes WHERE request_uid = $1"
    await age(connection, retention)
    await connection.execute(DESTROY, "a")
    await purge(connection, retention)
    await purge(connection, retention)
    assert await connection.fetchval(found, uid) == 1
    assert await returned(connection) == [("destroyed", "a")]
    await age(connection, retention)
    await purge(connection, retention)
    assert await connection.fetchval(found, uid) == 0
    assert await returned(connection) == []


async def test_zero_days(connection: asyncpg.Connection, retention: RetentionConfig) -> None:
    """With zero days, a purge takes all that could be read when it began."""
    await connection.execute(INSERT, "a")
    async with asyncio.timeout(10):
        while await returned(connection):
            await purge(connection, replace(retention, changes_days=0))
    await connection.execute(INSERT, "b")
    assert await returned(connection) == [("created", "b")]


async def test_marks_of_another_database_do_not_count(
    connection: asyncpg.Connection, retention: RetentionConfig
) -> None:
    """What purges noted in the database that a dump was made of says nothing about the transactions of this one."""
    await connection.execute(INSERT, "a")
    await age(connection, retention)
    await connection.execute("UPDATE change_marks SET transaction_id = '1000000000000'")
    await connection.execute("UPDATE feed SET identity = 'another'")
    assert await purge(connection, retention) == 0
    assert await returned(connection) == [("created", "a")]
