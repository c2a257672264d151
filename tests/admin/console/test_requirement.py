"""The page of a requirement: its neighbours and changes, and how operators change it; and the filters of the list."""
# ruff: noqa: E501 - one case per line

import re
from html import unescape

import asyncpg
import pytest

from tests.admin.console.conftest import Answer, Browser
from tests.admin.console.test_changes import audited
from tests.admin.console.test_pages import ids

FILL = """
INSERT INTO requirements (
    required_type, required_id, requireable_type, requireable_id, key, value, application_id, user_id, created_at
)
SELECT
    'Service', 1 + n % 2, 'User', 1 + n % 5, CASE n % 4 WHEN 0 THEN 'Tier' WHEN 1 THEN '' END, 'is gold ' || n,
    CASE WHEN n % 2 = 0 THEN 1 + n % 3 END, CASE WHEN n % 2 = 1 THEN 1 + n % 3 END, '2026-11-23 10:00 UTC'::timestamptz
    + n * interval '1 hour'
FROM generate_series(1, 120) AS n
"""

LISTS = [
    ("required_type=Service", "required_type = 'Service'", "id DESC"),
    ("required_type=Service&required_id=", "required_type = 'Service'", "id DESC"),
    ("requireable_type=User&requireable_id=2&required_type=*", "requireable_id = 2", "id DESC"),
    ("without_key=1", "key IS NULL", "id DESC"),
    ("application=2", "application_id = 2", "id DESC"),
    ("user=3", "user_id = 3", "id DESC"),
    ("from=2026-11-24T10:00&until=2026-11-25T10:00:00", "created_at >= '2026-11-24 10:00Z' AND created_at < '2026-11-25 10:00Z'", "id DESC"),
    ("required_type=Service&term=GOLD%201", "value ILIKE '%gold 1%'", "id DESC"),
    ("requireable_type=User&term=i&in=key", "key ILIKE '%i%'", "id DESC"),
    ("requireable_type=User&term=i&in=value", "value ILIKE '%i%'", "id DESC"),
    ("sort=id+asc", "true", "id"),
    ("sort=created_at+desc", "true", "created_at DESC, id DESC"),
    ("user=3&sort=updated_at+asc", "user_id = 3", "updated_at, id"),
]  # fmt: skip


async def insert(connection: asyncpg.Connection, *ends: tuple[str, int, str, int]) -> None:
    """Insert requirements by their requireable and their required."""
    await connection.executemany(
        "INSERT INTO requirements (requireable_type, requireable_id, required_type, required_id, key, value) "
        "VALUES ($1, $2, $3, $4, 'k', E'one\\r\\ntwo')",
        ends,
    )


def form_of(page: Answer) -> dict[str, str]:
    """The fields of the page's form that edits, as a browser sends them."""
    fields = dict(re.findall(r'<input type="hidden" name="(if_updated_at)" value="([^"]+)">', page.text))
    for name, text in re.findall(r'<textarea id="[^"]+" name="(\w+)"[^>]*>\n([^<]*)</textarea>', page.text):
        fields[name] = unescape(text).replace("\r\n", "\n").replace("\n", "\r\n")
    return fields


@pytest.mark.parametrize(("query", "where", "order"), LISTS)
async def test_each_filter_and_order(
    browser: Browser, connection: asyncpg.Connection, query: str, where: str, order: str
) -> None:
    """All pages of a list together show each row that passes its filters once, in its order."""
    await connection.execute(FILL)
    found: list[int] = []
    following: str | None = f"/requirements?{query}"
    while following is not None:
        page = await browser.get(following)
        found += ids(page)
        links = re.findall(r'<a rel="next" href="/console([^"]+)"', page.text)
        following = unescape(links[0]) if links else None
    rows = await connection.fetch(f"SELECT id FROM requirements WHERE {where} ORDER BY {order}")  # noqa: S608 - ours
    assert found == [row["id"] for row in rows] != []


@pytest.mark.parametrize("query", ["term=gold", "required_type=A&term=x&in=both", "sort=key+asc", "from=today"])
async def test_a_filter_that_the_index_does_not_have(browser: Browser, query: str) -> None:
    """A search that nothing narrows down, an unknown order and a wrong time are answered with 400."""
    assert (await browser.get(f"/requirements?{query}")).code == 400


async def test_the_neighbours_both_ways(browser: Browser, connection: asyncpg.Connection) -> None:
    """A page shows what both ends also require and what requires them, with a link to the whole list if it is long."""
    await insert(
        connection,
        ("Order", 1, "Service", 1),
        ("Order", 1, "Service", 2),
        ("User", 7, "Order", 1),
        ("Service", 1, "Host", 1),
        *(("Order", number, "Service", 1) for number in range(2, 14)),
    )
    page = await browser.get("/requirements/1")
    sections = dict(re.findall(r'<h2 id="neighbours-\d">(.*?)</h2>(.*?)</section>', page.text, re.DOTALL))
    shown = {title: ids(Answer(200, text, {})) for title, text in sections.items()}
    assert shown == {
        "Order 1 also requires": [2],
        "Order 1 is required by": [3],
        "Service 1 requires": [4],
        "Service 1 is also required by": list(range(16, 6, -1)),
    }
    (whole,) = re.findall(r'href="/console([^"]+)">Show all', page.text)
    assert ids(await browser.get(unescape(whole))) == [*range(16, 4, -1), 1]


async def test_an_edit_is_an_event_without_a_caller(browser: Browser, connection: asyncpg.Connection) -> None:
    """An edit and a destroy are events with the request of the console, in the transaction of the audit."""
    await insert(connection, ("Order", 1, "Service", 1))
    fields = form_of(await browser.get("/requirements/1"))
    edited = await browser.post("/requirements/1/update", {**fields, "key": "tier", "no_value": "yes"})
    page = await browser.get("/requirements/1")
    assert re.search(r"updated an operator: see the audit k tier one two none", page.words)
    assert re.search(r"created other software k one two", page.words)
    destroyed = await browser.post("/requirements/1/destroy", form_of(page))
    rows = await connection.fetch(
        "SELECT change, key, value, request_id, changed_at, "
        "(application_id, user_id, session_id, request_uid) IS NULL AS unnamed FROM changes ORDER BY id"
    )
    assert [tuple(row)[:3] for row in rows] == [
        ("created", "k", "one\r\ntwo"),
        ("updated", "tier", None),
        ("destroyed", "tier", None),
    ]
    assert [row["request_id"] for row in rows[1:]] == [it.headers["X-Request-ID"] for it in (edited, destroyed)]
    assert all(row["unnamed"] for row in rows[1:])
    times = await connection.fetch("SELECT created_at FROM audit ORDER BY id")
    assert [row["changed_at"] for row in rows[1:]] == [row["created_at"] for row in times]


async def test_changes_that_are_no_longer_kept(browser: Browser, connection: asyncpg.Connection) -> None:
    """The page of a requirement says that there are none."""
    await insert(connection, ("Order", 1, "Service", 1))
    await connection.execute("UPDATE requirements SET value = 'v'; DELETE FROM changes")
    page = await browser.get("/requirements/1")
    assert "No changes are recorded." in page.words


async def test_an_edit_of_a_page_that_is_not_current_is_refused(
    browser: Browser, connection: asyncpg.Connection
) -> None:
    """If the requirement was changed after its page was shown, an edit and a destroy are refused, and say why."""
    await insert(connection, ("Order", 1, "Service", 1))
    fields = form_of(await browser.get("/requirements/1"))
    await connection.execute("UPDATE requirements SET value = 'new'")
    for action in ("update", "destroy"):
        answer = await browser.post(f"/requirements/1/{action}", {**fields, "key": "tier"})
        assert answer.code == 409
        assert "requirement 1 was changed by somebody else after its page was shown" in answer.words
    assert tuple(await connection.fetchrow("SELECT key, value FROM requirements")) == ("k", "new")  # type: ignore[arg-type]
    assert await audited(connection) == []


async def test_a_form_that_changes_nothing(browser: Browser, connection: asyncpg.Connection) -> None:
    """A form that is sent as it was shown changes and records nothing, although browsers change line breaks."""
    await insert(connection, ("Order", 1, "Service", 1))
    before = await connection.fetchrow("SELECT * FROM requirements")
    page = await browser.change("/requirements/1/update", form_of(await browser.get("/requirements/1")))
    assert "Nothing to change" in page.words
    assert await connection.fetchrow("SELECT * FROM requirements") == before
    assert await audited(connection) == []


async def test_changing_only_the_key_keeps_the_value(browser: Browser, connection: asyncpg.Connection) -> None:
    """A value stays as it is stored if only the key is edited; an emptied field is an empty text, not none."""
    await insert(connection, ("Order", 1, "Service", 1))
    fields = form_of(await browser.get("/requirements/1"))
    page = await browser.change("/requirements/1/update", {**fields, "key": ""})
    assert "Changed the key of requirement 1." in page.words
    assert tuple(await connection.fetchrow("SELECT key, value FROM requirements")) == ("", "one\r\ntwo")  # type: ignore[arg-type]


async def test_both_changes_ask_for_a_confirmation(browser: Browser, connection: asyncpg.Connection) -> None:
    """The forms that edit and destroy are within confirmations that say what follows."""
    await insert(connection, ("Order", 1, "Service", 1))
    text = (await browser.get("/requirements/1")).text
    confirmed = re.findall(r'<details class="confirm[^"]*">.*?</details>', text, re.DOTALL)
    for action in ("update", "destroy"):
        assert [f"/requirements/1/{action}" in block for block in confirmed].count(True) == 1
        assert text.count(f'action="/console/requirements/1/{action}"') == 1
