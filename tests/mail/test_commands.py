"""The commands `emails` and `notifications`, run as processes."""

from pathlib import Path

import asyncpg
import pytest

from tests.cli.command import CommandLine
from tests.mail.conftest import only
from tests.mail.outbox import queue

NOTIFY = """
INSERT INTO notifications (kind, message, request_id, count)
VALUES ('email-failed', 'No.', 'r-1', 1), ('application-crash', E'Bang\n.', NULL, 7), ('email-dead', 'Dead.', NULL, 1)
"""


@pytest.fixture
def command(tmp_path: Path, database_url: str) -> CommandLine:
    """Run commands on the test's migrated database."""
    return CommandLine(tmp_path, database_url)


async def cells(connection: asyncpg.Connection, query: str) -> list[str]:
    """The row of a query, with its times formatted as the tables show them."""
    row = await connection.fetchrow(query)
    assert row is not None
    return [f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "-" for moment in row]


async def test_emails_are_listed(command: CommandLine, connection: asyncpg.Connection) -> None:
    """`emails list` shows the latest e-mails first, with their progress; --state filters by state."""
    await queue(connection, 2)
    await connection.execute(
        "UPDATE emails SET state = 'dead', accepted = '{ann@example.com}', last_error = 'no' WHERE id = 1"
    )
    created, due = await cells(connection, "SELECT created_at, leased_until FROM emails WHERE id = 2")
    heading = [
        "id",
        "requirement",
        "state",
        "attempts",
        "accepted",
        "created at",
        "sent at",
        "next attempt",
        "last error",
    ]
    dead = ["1", "1", "dead", "1", "1 of 2", created, "-", "-", "no"]
    assert (await command("emails", "list")).table == [
        heading,
        ["2", "2", "pending", "1", "0 of 2", created, "-", due, "-"],
        dead,
    ]
    assert (await command("emails", "list", "--state", "dead")).table == [heading, dead]
    assert (await command("emails", "list", "--limit", "1")).table[1][0] == "2"


async def test_an_email_is_retried(command: CommandLine, connection: asyncpg.Connection) -> None:
    """`emails retry` makes a dead e-mail due again, but not an accepted one."""
    await queue(connection, 2)
    await connection.execute("UPDATE emails SET state = CASE id WHEN 1 THEN 'dead' ELSE 'sent' END")
    done = await command("emails", "retry", "1", "2")
    assert (done.code, done.output) == (0, "1 e-mail will be sent by the running service\n")
    assert done.errors == "e-mail 2 is already accepted, is being sent, or does not exist\n"
    assert [row[0] for row in await connection.fetch("SELECT state FROM emails ORDER BY id")] == ["pending", "sent"]


async def test_retry_all(command: CommandLine, connection: asyncpg.Connection) -> None:
    """`emails retry --all` skips e-mails that are accepted or being sent."""
    await queue(connection, 3)
    await queue(connection, 1, leased_seconds=60)
    await connection.execute("UPDATE emails SET state = 'sent' WHERE id = 1")
    assert await command.says("emails", "retry", "--all") == "2 e-mails will be sent by the running service\n"


MISUSES = [
    (("emails", "retry", "77"), 1, "there is nothing to retry: see `emails list`"),
    (("emails", "retry"), 2, "give either ids of e-mails or --all"),
    (("emails", "retry", "1", "--all"), 2, "give either ids of e-mails or --all"),
    (
        ("notifications", "acknowledge", "77"),
        1,
        "there is no such unread notification: see `notifications list`",
    ),
    (("notifications", "acknowledge"), 2, "give either ids of notifications or --all"),
]


@pytest.mark.parametrize(("words", "code", "message"), MISUSES)
async def test_misuse(command: CommandLine, words: tuple[str, ...], code: int, message: str) -> None:
    """A command that cannot succeed exits with its code and gives the reason on the last line."""
    done = await command(*words)
    assert (done.code, done.output) == (code, "")
    assert message in done.errors.splitlines()[-1]


async def test_notifications_are_listed_and_acknowledged(command: CommandLine, connection: asyncpg.Connection) -> None:
    """`notifications list` shows the latest first; acknowledged ones are not listed as unread."""
    await connection.execute(NOTIFY)
    (created,) = await cells(connection, "SELECT created_at FROM notifications LIMIT 1")
    heading = ["id", "kind", "count", "created at", "acknowledged at", "request id", "message"]
    failed = ["1", "email-failed", "1", created, "-", "r-1", "No."]
    crash = ["2", "application-crash", "7", created, "-", "-", "Bang\N{REPLACEMENT CHARACTER}."]
    dead = ["3", "email-dead", "1", created, "-", "-", "Dead."]
    assert (await command("notifications", "list")).table == [heading, dead, crash, failed]
    assert (await command("notifications", "list", "--kind", "email-dead")).table == [heading, dead]
    assert await command.says("notifications", "acknowledge", "2", "2", "77") == "acknowledged 1 notification\n"
    assert (await command("notifications", "list", "--unread")).table == [heading, dead, failed]
    assert await command.says("notifications", "acknowledge", "--all") == "acknowledged 2 notifications\n"
    assert (await command("notifications", "list", "--unread")).table == [heading]
    await connection.execute("DELETE FROM notifications WHERE id <> 1")
    assert (await only(connection, "notifications"))["acknowledged_at"] is not None
