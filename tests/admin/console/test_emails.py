"""The E-mails tab: what it shows of the outbox. Its changes are in test_changes.py."""

import re
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from service.admin.app import create_ops_app
from service.config import Config
from tests.admin.console.conftest import Browser
from tests.admin.console.test_pages import ids, walk
from tests.conftest import AppClient

REQUIREMENT = (
    "INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id) VALUES ('A', 1, 'B', 2)"
)


@pytest.fixture
async def outbox(connection: asyncpg.Connection) -> asyncpg.Connection:
    """An outbox with an e-mail in each state."""
    await connection.execute(REQUIREMENT)
    await connection.execute("""
        INSERT INTO emails
            (requirement_id, state, attempts, sending, leased_until, last_error, recipients, accepted, sent_at)
        VALUES
            (1, 'sent', 1, false, now(), NULL, '{a@example.com}', '{a@example.com}', now() - interval '2 hours'),
            (1, 'pending', 3, false, now() + interval '4 minutes', '503 Service Unavailable',
             '{a@example.com,b@example.com}', '{b@example.com}', NULL),
            (1, 'pending', 1, true, now() + interval '30 seconds', NULL, '{a@example.com}', '{}', NULL),
            (1, 'dead', 12, false, now(), 'rejected: hard-bounce', '{a@example.com}', '{}', NULL)
    """)
    return connection


async def test_each_email_shows_its_state_and_error(browser: Browser, outbox: asyncpg.Connection) -> None:
    """A row has the state, what was accepted, the attempts, the last error and the times; not the addresses."""
    page = await browser.get("/emails")
    rows = re.findall(r"<tr>\s*<td data-label.*?</tr>", page.text, re.DOTALL)
    words = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]
    expected = [
        r"4 given up 1 0 of 1 12 rejected: hard-bounce \u2013 just now Retry e-mail 4",
        r"3 sending 1 0 of 1 1 \u2013 in \d+ s just now Retry e-mail 3",
        r"2 pending 1 1 of 2 3 503 Service Unavailable in 3 min just now Retry e-mail 2",
        r"1 sent 1 1 of 1 1 \u2013 2 h ago just now",
    ]
    assert len(words) == len(expected)
    for row, pattern in zip(words, expected, strict=True):
        assert re.fullmatch(pattern, row), row
    assert "example.com" not in page.text
    assert await outbox.fetchval("SELECT count(*) FROM emails") == 4


async def test_emails_can_be_filtered_by_state(browser: Browser, outbox: asyncpg.Connection) -> None:
    """The list can be limited to a state; a state that does not exist is no limit."""
    queries = ("state=pending", "state=sent", "state=dead", "state=", "state=x")
    shown = [ids(await browser.get(f"/emails?{query}")) for query in queries]
    assert shown == [[3, 2], [1], [4], [4, 3, 2, 1], [4, 3, 2, 1]]
    await outbox.execute("DELETE FROM emails")
    assert "No e-mails match the filter." in (await browser.get("/emails?state=dead")).words
    assert "No e-mails yet." in (await browser.get("/emails")).words


@pytest.mark.parametrize("enabled", [False, True])
async def test_the_tab_says_whether_emails_are_sent(
    console_config: Config, tmp_path: Path, aiohttp_client: AppClient, *, enabled: bool
) -> None:
    """The tab says that e-mails are off while no API key or no recipients are configured."""
    mandrill = replace(console_config.mandrill, api_key="a key", sender="us@example.com", recipients=("a@example.com",))
    config = replace(console_config, mandrill=mandrill) if enabled else console_config
    browser = Browser(await aiohttp_client(create_ops_app(config, tmp_path)))
    await browser.log_in()
    assert ("E-mails are off" in (await browser.get("/emails")).words) is not enabled


async def test_emails_page_by_page(browser: Browser, outbox: asyncpg.Connection) -> None:
    """All pages together show each e-mail of the state once, newest first."""
    await outbox.execute(
        "INSERT INTO emails (requirement_id, state) "
        "SELECT 1, CASE WHEN n % 2 = 0 THEN 'dead' ELSE 'sent' END FROM generate_series(1, 130) n"
    )
    pages = await walk(browser, "/emails?state=dead")
    assert [len(page) for page in pages] == [50, 16]
    rows = await outbox.fetch("SELECT id FROM emails WHERE state = 'dead' ORDER BY id DESC")
    assert [number for page in pages for number in page] == [row["id"] for row in rows]


async def test_a_retry_returns_to_the_same_list(browser: Browser, outbox: asyncpg.Connection) -> None:
    """After a retry comes the list with the filter and the page that it was sent from."""
    answer = await browser.post("/emails/4/retry", {"state": "dead", "before": "9"})
    assert (answer.location or "").startswith("/console/emails?state=dead&before=9&")
    row = await outbox.fetchrow("SELECT state, attempts, leased_until <= now() AS due FROM emails WHERE id = 4")
    assert row is not None
    assert tuple(row) == ("pending", 0, True)


async def test_an_email_being_sent_is_left_alone(browser: Browser, outbox: asyncpg.Connection) -> None:
    """An e-mail that a worker is sending is not retried, alone or with all: its recipients would get it twice."""
    assert (await browser.post("/emails/3/retry")).code == 409
    assert "2 e-mails will be sent" in (await browser.change("/emails/retry")).words
    assert await outbox.fetchval("SELECT attempts FROM emails WHERE id = 3 AND sending") == 1


async def test_odd_rows_of_the_outbox_are_shown(browser: Browser, outbox: asyncpg.Connection) -> None:
    """An e-mail whose lists are nested or contain null, as other software may write them, is shown."""
    await outbox.execute(
        "INSERT INTO emails (id, requirement_id, attempts, recipients, accepted, last_error) "
        "VALUES (-5, 1, -2147483648, '{{a,b},{c,d}}', '{NULL}', '')"
    )
    assert ">-5<" in (await browser.get("/emails")).text
    assert "will be sent" in (await browser.change("/emails/-5/retry")).words
