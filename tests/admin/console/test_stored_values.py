"""Values that other software may have stored: whatever a column holds, the pages show its row, and their links work."""

import re
from html import unescape

import asyncpg
import pytest

from tests.admin.console.conftest import Browser, notify
from tests.api.test_stored_values import COLUMNS, EXTREMES, change, row_of
from tests.factories import Records

# The pages that read each table.
PAGES = {
    "requirements": ("/requirements", "/emails"),
    "emails": ("/emails",),
    "notifications": ("/notifications",),
    "audit": ("/audit",),
    "services": ("/registry",),
    "routes": ("/registry",),
    "applications": ("/access", "/access/applications/1"),
    "application_tokens": ("/access", "/access/applications/1"),
    "users": ("/access",),
    "sessions": ("/access",),
}

# Lists begin below the greatest id, so a row that has it is not in them.
GREATEST = "9223372036854775807"


@pytest.fixture
async def populated(records: Records) -> asyncpg.Connection:
    """A database with a record in each table that the console shows."""
    connection = records.connection
    application = await records.application("app")
    await records.session("client", application_id=application.id)
    await records.deploy()
    await connection.execute(
        "INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, key, application_id) "
        "VALUES ('User', 1, 'Service', 1, 'k', 1)"
    )
    await connection.execute("INSERT INTO emails (requirement_id, recipients) VALUES (1, '{a@example.com}')")
    await connection.execute("INSERT INTO audit (actor, action) VALUES ('someone', 'something')")
    await notify(connection)
    return connection


async def problems(browser: Browser, path: str, *, listed: bool) -> list[str]:
    """What is wrong with a page: an error, no row, or a link to an error. A record that is linked may be deleted."""
    answer = await browser.get(path)
    if answer.code != 200:
        return [f"{path}: {answer.code}"]
    main = answer.text[answer.text.index("<main") :]
    found = [] if not listed or "<tbody>" in main else [f"{path}: no row"]
    for address in {unescape(link) for link in re.findall(r'href="/console(/[^"]+)"', main)}:
        code = (await browser.get(address)).code
        if code not in (200, 404):
            found.append(f"{path} links to {address}: {code}")
    return found


async def test_every_value_of_every_column_is_shown(browser: Browser, populated: asyncpg.Connection) -> None:
    """Whatever a column holds, every page that reads it is shown with its row, and no link leads to an error."""
    found, stored = [], 0
    for table, name, kind, nullable in await populated.fetch(COLUMNS):
        if table not in PAGES:
            continue
        row = await row_of(populated, table)
        where = " AND ".join(f'"{key}"::text = ${number}' for number, key in enumerate(row.key, start=1))
        original = f'SELECT "{name}"::text FROM {table} WHERE {where}'  # noqa: S608
        before = await populated.fetchval(original, *row.key.values())
        for value in EXTREMES[kind] + ((None,) if nullable else ()):
            changed = await change(populated, row, name, kind, value)
            if changed is None:
                continue
            stored += 1
            for path in PAGES[table]:
                shown = await problems(browser, path, listed=not (name == "id" and value == GREATEST))
                if shown == ["/access/applications/1: 404"] and (table, name) == ("applications", "id"):
                    continue
                found += [f"{table}.{name} = {str(value)[:40]!r}: {problem}" for problem in shown]
            assert await change(populated, changed, name, kind, before)
    assert found == []
    assert stored > 150


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("infinity", "after the year 9999"),
        ("20000-01-01", "after the year 9999"),
        ("-infinity", "before the year 1"),
        ("0044-03-15 BC", "before the year 1"),
        ("9999-12-31", "9999-12-31 00:00:00 UTC"),
        ("0001-01-02", "0001-01-02 00:00:00 UTC"),
    ],
)
async def test_far_dates_are_told(browser: Browser, populated: asyncpg.Connection, stored: str, shown: str) -> None:
    """A time that no datetime can hold is shown as what lies beyond; any other has its form in UTC."""
    for table, path in (("requirements", "/requirements/1"), ("audit", "/audit"), ("sessions", "/access")):
        await populated.execute(f"UPDATE {table} SET created_at = '{stored} UTC'".replace("infinity UTC", "infinity"))  # noqa: S608
        assert shown in (await browser.get(path)).text
