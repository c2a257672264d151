"""Notifications of crashes: one per minute and cause, with a count."""

import asyncio
import json
from collections.abc import AsyncIterator

import asyncpg
import pytest

from service.api.app import create_app
from service.api.crash_notifier import MAX_CAUSES, CrashNotifier, cause_of
from service.config import Config
from service.database.errors import ConnectionLost
from service.database.pool import Database, open_database
from service.storage.notifications import Notification, count_notification
from tests.api.exchange import post_create
from tests.api.waiting import wait_until
from tests.conftest import AppClient, Client
from tests.factories import AppRecord, params

PLACE = "service/storage/requirements.py in insert"
CAUSE = f"DatabaseError 42P01 (requirements) at {PLACE}"
BREAK = "ALTER TABLE requirements RENAME TO broken"
COUNTED = "SELECT coalesce(sum(count), 0) = $1 FROM notifications"

# Run in one transaction, so that both timestamps stay equal.
MOVE_BACK = [
    "UPDATE notifications SET created_at = now() - $1 * interval '1 second'",
    "UPDATE notification_windows SET opened_at = now() - $1 * interval '1 second'",
]


@pytest.fixture
async def database(config: Config, database_url: str) -> AsyncIterator[Database]:
    """A connection pool on the test's own database."""
    async with open_database(config.database, database_url) as database:
        yield database


async def crash(client: Client, application: AppRecord, user_id: int, request_id: str = "the-request") -> None:
    """Send a create that crashes, and check that the response does not reveal the cause."""
    response = await post_create(client, params(application.token, user_id), {"X-Request-ID": request_id})
    assert (response.status, response.outcome) == ("application-crash", "none")


async def test_a_crash_is_notified(
    client: Client, connection: asyncpg.Connection, application: AppRecord, user_id: int
) -> None:
    """A crash stores its cause, its place and the id of its request."""
    await connection.execute(BREAK)
    await crash(client, application, user_id)
    await wait_until(connection, COUNTED, 1)
    row = dict(await connection.fetchrow("SELECT * FROM notifications") or {})
    assert {name: value for name, value in row.items() if name not in ("id", "created_at", "details")} == {
        "kind": "application-crash",
        "message": f"A request crashed: {CAUSE}.",
        "request_id": "the-request",
        "count": 1,
        "cause": CAUSE,
        "acknowledged_at": None,
    }
    assert json.loads(row["details"]) == {"cause": CAUSE}


TRIGGER = """
CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NEW; END $$;
CREATE TRIGGER guard BEFORE INSERT ON requirements FOR EACH ROW EXECUTE FUNCTION guard()
"""


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("ALTER TABLE sessions RENAME TO broken", "DatabaseError 42P01 (sessions)"),
        ("ALTER TABLE requirements RENAME value TO broken", "DatabaseError 42703 (value)"),
        ("ALTER TABLE requirements ADD CHECK (value <> 'gold')", "ConstraintViolated 23514 (constraint {} of {})"),
        ("ALTER TABLE requirements ADD extra int NOT NULL", "ConstraintViolated 23502 (column extra of requirements)"),
        (TRIGGER.format(body="RAISE 'not %', NEW.value"), "DatabaseError P0001 (function guard())"),
        (TRIGGER.format(body="EXECUTE 'TABLE ' || NEW.value"), "DatabaseError 42P01 (function guard())"),
    ],
)
async def test_unlike_faults_of_the_database_are_unlike_causes(
    client: Client, connection: asyncpg.Connection, application: AppRecord, user_id: int, fault: str, cause: str
) -> None:
    """A cause has the SQLSTATE, the object at fault and the function of the storage. It has no value of the caller."""
    await connection.execute(fault)
    await post_create(client, params(application.token, user_id, value="gold"))
    await wait_until(connection, COUNTED, 1)
    found = await connection.fetchval("SELECT cause FROM notifications")
    assert found == f"{cause.format('requirements_value_check', 'requirements')} at {PLACE}"


async def test_many_crashes_are_one_notification(
    config: Config,
    client: Client,
    aiohttp_client: AppClient,
    connection: asyncpg.Connection,
    application: AppRecord,
    user_id: int,
) -> None:
    """Crashes with one cause in two processes within a minute are counted in one row."""
    clients = [client, await aiohttp_client(create_app(config))]
    await connection.execute(BREAK)
    await asyncio.gather(*(crash(each, application, user_id) for each in clients * 15))
    await wait_until(connection, COUNTED, 30)
    assert await connection.fetchval("SELECT count(*) FROM notifications") == 1


@pytest.mark.parametrize(("seconds", "notifications"), [(58, 1), (61, 2)])
async def test_a_new_notification_after_a_minute(
    database: Database, connection: asyncpg.Connection, seconds: int, notifications: int
) -> None:
    """Crashes with one cause open a new notification once the current one is a minute old."""
    notification = Notification("application-crash", "Bang.", "r", {})
    await count_notification(database, notification, "a", 3)
    async with connection.transaction():
        for statement in MOVE_BACK:
            await connection.execute(statement, seconds)
    await count_notification(database, notification, "a", 4)
    assert await connection.fetchval("SELECT count(*) FROM notifications") == notifications
    assert await connection.fetchval(COUNTED, 7)
    await count_notification(database, notification, "another", 1)
    assert await connection.fetchval("SELECT count(*) FROM notifications") == notifications + 1


async def test_a_crash_after_acknowledgement_is_unread_again(
    client: Client, connection: asyncpg.Connection, application: AppRecord, user_id: int
) -> None:
    """A crash after the acknowledgement makes its notification unread again."""
    await connection.execute(BREAK)
    await crash(client, application, user_id)
    await wait_until(connection, COUNTED, 1)
    await connection.execute("UPDATE notifications SET acknowledged_at = now()")
    await crash(client, application, user_id)
    await wait_until(connection, COUNTED, 2)
    assert await connection.fetchval("SELECT acknowledged_at FROM notifications") is None


async def test_no_response_waits_for_a_notification(
    client: Client, connection: asyncpg.Connection, other: asyncpg.Connection, application: AppRecord, user_id: int
) -> None:
    """While the notifications table is locked, crashes are answered at once and counted later."""
    await connection.execute(BREAK)
    async with other.transaction():
        await other.execute("LOCK TABLE notifications")
        for _ in range(20):
            await crash(client, application, user_id)
        assert await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") <= 1
    await wait_until(connection, COUNTED, 20)


async def test_failed_notifications_are_written_later(
    client: Client, connection: asyncpg.Connection, application: AppRecord, user_id: int
) -> None:
    """Notifications that could not be written are written once the database accepts them."""
    await connection.execute(f"{BREAK}; ALTER TABLE notifications RENAME TO renamed")
    for _ in range(3):
        await crash(client, application, user_id)
    await connection.execute("ALTER TABLE renamed RENAME TO notifications")
    await wait_until(connection, COUNTED, 3)


async def test_closing_writes_pending_notifications(database: Database, connection: asyncpg.Connection) -> None:
    """Closing the notifier writes the pending notifications."""
    notifier = CrashNotifier(database)
    for _ in range(5):
        notifier.crashed(ValueError(), "r")
    await notifier.close()
    assert await connection.fetchval(COUNTED, 5)


async def test_causes_are_bounded(database: Database, connection: asyncpg.Connection) -> None:
    """The notifier keeps at most MAX_CAUSES different causes."""
    notifier = CrashNotifier(database)
    for number in range(MAX_CAUSES + 50):
        notifier.crashed(type(f"Kind{number}", (Exception,), {})(), "r")
    await notifier.close()
    assert await connection.fetchval("SELECT count(*) FROM notifications") == MAX_CAUSES


def test_a_cause_contains_no_exception_text() -> None:
    """A cause is the exception's type and place; it contains no exception text, which may be a caller's."""
    assert cause_of(ValueError("secret")) == "ValueError"
    lost = ConnectionLost("secret")
    lost.__cause__ = ConnectionResetError("secret")
    assert cause_of(lost) == "ConnectionLost ConnectionResetError"
