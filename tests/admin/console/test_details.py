"""The details of audit entries and notifications, whatever their shape."""

import json

import asyncpg
import pytest

from service.admin.console.details import read_details
from tests.admin.console.conftest import Browser, notify

BIG = "1" + "0" * 5000
DEEP = "[" * 5000 + "]" * 5000

# JSON and a text that the page shows for it.
SHAPES = [
    ("{}", ""),
    ("null", "\N{EN DASH}"),
    ("true", "yes"),
    ('"only a text"', "only a text"),
    ('["a", 1, null, {"b": false}]', '["a", 1, null, {"b": false}]'),
    ("7", "7"),
    ('{"count": 1e400}', "1" + "0" * 400),
    ('{"count": -0.1234567890123456789012345}', "-0.1234567890123456789012345"),
    (BIG, BIG),
    (DEEP, "[[[["),
    ('{"": {"": [{}]}}', '{"": [{}]}'),
]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('{"a": "b", "c": null, "d": true, "e": 1.50}', {"a": "b", "c": "\N{EN DASH}", "d": "yes", "e": "1.50"}),
        ('{"list": ["\u00e9", 2, {"x": [null]}]}', {"list": '["\u00e9", 2, {"x": [null]}]'}),
        ("[1, 2]", "[1, 2]"),
        ("3", "3"),
        ('"text"', "text"),
        (f'{{"n": {BIG}}}', {"n": BIG}),
        (DEEP, DEEP),
        ("not JSON", "not JSON"),
    ],
)
def test_any_json_has_a_text(text: str, read: object) -> None:
    """An object becomes names with texts, anything else one text; numbers keep all of their digits."""
    assert read_details(text) == read


@pytest.mark.parametrize(("details", "shown"), SHAPES, ids=[case[0][:30] for case in SHAPES])
async def test_rows_of_other_software_are_shown(
    browser: Browser, connection: asyncpg.Connection, details: str, shown: str
) -> None:
    """A page with an audit entry or a notification whose details have any shape is shown, with the details."""
    number = await notify(connection, details=details)
    await connection.execute("INSERT INTO audit (actor, action, details) VALUES ('', '', $1)", details)
    for path in ("/audit", f"/notifications/{number}", "/notifications"):
        answer = await browser.get(path)
        assert answer.code == 200
        if path != "/notifications":
            assert shown in answer.words


async def test_ids_below_one_are_shown(browser: Browser, connection: asyncpg.Connection) -> None:
    """A row whose id other software has set below one has its page, and can be acknowledged."""
    least = -(2**63)
    await connection.execute(
        "INSERT INTO notifications (id, kind, message) VALUES ($1, '', 'Odd.'), (0, '', '')", least
    )
    assert f'href="/console/notifications/{least}"' in (await browser.get("/notifications")).text
    assert "Odd." in (await browser.get(f"/notifications/{least}")).words
    assert "Acknowledged" in (await browser.change(f"/notifications/{least}/acknowledge")).words
    assert await connection.fetchval("SELECT count(*) FROM notifications WHERE acknowledged_at IS NULL") == 1
    details = await connection.fetchval("SELECT details FROM audit")
    assert json.loads(details) == {"id": least}
