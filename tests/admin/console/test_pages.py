"""The pages of the console with a real database."""

import json
import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import asyncpg
import pytest

from tests.admin.console.conftest import Answer, Browser, notify
from tests.factories import ROUTES, Records

MARKUP = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>{{ 7 * 7 }}"

FILL = """
INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, key)
SELECT
    'Service', 1 + number % 2, 'User', 1 + number % 5,
    CASE WHEN number % 4 = 0 THEN 'tier' WHEN number % 400 = 1 THEN '' END
FROM generate_series(1, 1000) AS number
"""

SEARCHES: list[tuple[str, dict[str, object], str]] = [
    ("all", {}, "true"),
    (
        "what is required",
        {"required_type": "Service", "required_id": 1},
        "required_type = 'Service' AND required_id = 1",
    ),
    (
        "what requires",
        {"requireable_type": "User", "requireable_id": 3},
        "requireable_type = 'User' AND requireable_id = 3",
    ),
    ("a key", {"key": "tier"}, "key = 'tier'"),
    ("the empty key", {"empty": 1}, "key = ''"),
    ("any key", {"key": "", "required_id": ""}, "true"),
    (
        "both references",
        {"required_type": "Service", "required_id": 1, "requireable_type": "User", "requireable_id": 3},
        "required_type = 'Service' AND required_id = 1 AND requireable_type = 'User' AND requireable_id = 3",
    ),
    (
        "a reference and a key",
        {"required_type": "Service", "required_id": 1, "key": "tier"},
        "required_type = 'Service' AND required_id = 1 AND key = 'tier'",
    ),
    (
        "all filters",
        {"required_type": "Service", "required_id": 1, "requireable_type": "User", "requireable_id": 1, "key": "tier"},
        "required_type = 'Service' AND required_id = 1 AND requireable_type = 'User' AND requireable_id = 1 "
        "AND key = 'tier'",
    ),
    ("nothing", {"key": "gone"}, "key = 'gone'"),
]


def ids(answer: Answer) -> list[int]:
    """The ids in the rows of a table, in order."""
    return [int(number) for number in re.findall(r'<td data-label="Id"[^>]*>(?:<a [^>]*>)?(\d+)<', answer.text)]


def next_page(answer: Answer) -> str | None:
    """The address of the next page; None on the last page."""
    found = re.findall(r'<a rel="next" href="/console([^"]+)"', answer.text)
    return unescape(found[0]) if found else None


async def walk(browser: Browser, path: str) -> list[list[int]]:
    """The ids of all pages from `path` on."""
    pages = []
    following: str | None = path
    while following is not None:
        answer = await browser.get(following)
        pages.append(ids(answer))
        following = next_page(answer)
    return pages


@pytest.mark.parametrize(("query", "where"), [case[1:] for case in SEARCHES], ids=[case[0] for case in SEARCHES])
async def test_requirements_page_by_page(
    browser: Browser, connection: asyncpg.Connection, query: dict[str, object], where: str
) -> None:
    """All pages together show each matching row once, newest first."""
    await connection.execute(FILL)
    pages = await walk(browser, f"/requirements?{urlencode(query)}")
    rows = await connection.fetch(f"SELECT id FROM requirements WHERE {where} ORDER BY id DESC")  # noqa: S608 - ours
    assert [number for page in pages for number in page] == [row["id"] for row in rows]
    assert {len(page) for page in pages[:-1]} <= {50}


async def test_pages_stay_put_while_rows_come(browser: Browser, connection: asyncpg.Connection) -> None:
    """A row created between two page loads neither duplicates nor hides another row."""
    await connection.execute(FILL)
    first = await browser.get("/requirements")
    await connection.execute(FILL)
    second = await browser.get(next_page(first) or "")
    assert ids(first) + ids(second) == list(range(1000, 900, -1))


@pytest.mark.parametrize(
    "query",
    [
        "required_type=Service&required_id=x",
        "required_type=Service&required_id=1.5",
        "required_type=Service&required_id=%EF%BC%95",
        "required_id=5",
        "after=--1",
        f"after={2**63}",
        f"after={-(2**63) - 1}",
        "application=x",
        "user=1.5",
    ],
)
async def test_an_id_is_a_number(browser: Browser, query: str) -> None:
    """An invalid id is answered with 400."""
    assert (await browser.get(f"/requirements?{query}")).code == 400


async def test_nothing_is_taken_for_markup(browser: Browser, records: Records) -> None:
    """Stored markup is escaped on every tab."""
    connection = records.connection
    await connection.execute(
        "INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, key, value) "
        "VALUES ($1, 1, $1, 1, $1, $1), ('User', 1, 'User', 1, 'k', repeat($1, 9))",
        MARKUP,
    )
    await records.application(MARKUP)
    await connection.execute("INSERT INTO services (name) VALUES ($1)", MARKUP)
    await connection.execute("INSERT INTO routes (service_id, version, action) VALUES (1, $1, $1)", MARKUP)
    user_id = await connection.fetchval("INSERT INTO users (email) VALUES ($1) RETURNING id", MARKUP)
    await records.session_of(user_id, MARKUP, application_id=1)
    details = json.dumps({MARKUP: MARKUP, "list": [MARKUP]})
    await notify(connection, MARKUP, message=MARKUP, request_id=MARKUP, details=details)
    await connection.execute(
        "INSERT INTO emails (requirement_id, state, last_error, recipients) VALUES (1, 'dead', $1, ARRAY[$1])", MARKUP
    )
    assert (await browser.post("/access/applications", {"slug": "named", "name": MARKUP})).code == 303
    searches = [("requirements", "key"), ("access", "user"), ("notifications", "kind")]
    searched = [f"/{tab}?{urlencode({name: MARKUP})}" for tab, name in searches]
    records_of = ["/notifications/1", "/requirements/1"]
    tabs = ["/notifications", "/requirements", "/emails", "/registry", "/access", "/audit", *records_of]
    for path in [*tabs, "/access/applications/1", *searched]:
        text = (await browser.get(path)).text
        assert "<script>" not in text, path
        assert "<img" not in text, path
        assert "&lt;script&gt;alert(" in text, path
        assert "{{ 7 * 7 }}" in text, path


async def test_a_repeated_name_is_escaped(anonymous: Browser) -> None:
    """The name repeated in the login form is escaped."""
    text = (await anonymous.log_in(MARKUP, "wrong")).text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


async def test_notifications_are_listed_newest_first(browser: Browser, connection: asyncpg.Connection) -> None:
    """The list can be filtered by kind and by unread; the tab shows the unread count."""
    for kind in ("application-crash", "mandrill-email-failed", "application-crash"):
        await notify(connection, kind, message=f"This is {kind}.")
    await connection.execute("UPDATE notifications SET acknowledged_at = now() WHERE id = 1")
    shown = {
        query: re.findall(r'id="notification-(\d+)"', (await browser.get(f"/notifications{query}")).text)
        for query in ("", "?unread=1", "?kind=application-crash", "?kind=application-crash&unread=1", "?kind=x")
    }
    assert list(shown.values()) == [["3", "2", "1"], ["3", "2"], ["3", "1"], ["3"], []]
    page = await browser.get("/notifications")
    assert "Notifications 2 unread" in page.words
    assert re.findall(r"<option>([^<]+)</option>", page.text) == ["application-crash", "mandrill-email-failed"]


async def test_notifications_page_by_page(browser: Browser, connection: asyncpg.Connection) -> None:
    """Older notifications are on the next pages, which are not updated."""
    for _ in range(60):
        await notify(connection)
    first = await browser.get("/notifications?kind=application-crash")
    second = await browser.get(next_page(first) or "")
    numbers = [re.findall(r'id="notification-(\d+)"', page.text) for page in (first, second)]
    assert [*numbers[0], *numbers[1]] == [str(number) for number in range(60, 0, -1)]
    assert ('hx-trigger="every 2s"' in first.text, 'hx-trigger="every 2s"' in second.text) == (True, False)


async def test_the_page_of_a_notification(browser: Browser, connection: asyncpg.Connection) -> None:
    """The page of a notification shows its request id, count and details."""
    number = await notify(connection, request_id="req-7", details='{"cause": "no route", "again": true, "n": [1]}')
    words = (await browser.get(f"/notifications/{number}")).words
    for text in ("req-7", "Something happened.", "cause no route", "again yes", "n [1]", "count 1"):
        assert text in words


async def test_the_list_is_sent_again_only_when_it_changes(browser: Browser, connection: asyncpg.Connection) -> None:
    """Polling gets 204 until a notification is added, acknowledged or counted again."""
    await notify(connection)
    polled = (await browser.get("/notifications")).text
    for change in (
        "INSERT INTO notifications (kind, message) VALUES ('other', 'Newer.')",
        "UPDATE notifications SET acknowledged_at = now() WHERE id = 1",
        "UPDATE notifications SET count = count + 1 WHERE id = 2",
    ):
        address = unescape(re.findall(r'hx-get="/console(/notifications/list[^"]+)"', polled)[0])
        same = await browser.get(address)
        await connection.execute(change)
        changed = await browser.get(address)
        assert (same.code, same.text, changed.code) == (204, "", 200)
        polled = changed.text


async def test_the_unread_count_is_updated(browser: Browser, connection: asyncpg.Connection) -> None:
    """The unread count is sent when it changes; from 1000 on it is 999+."""
    assert (await browser.get("/unread?seen=0")).code == 204
    await notify(connection)
    assert "1 unread" in (await browser.get("/unread?seen=0")).words
    await connection.execute("INSERT INTO notifications (kind, message) SELECT 'a', 'b' FROM generate_series(1, 1500)")
    assert "999+ unread" in (await browser.get("/unread?seen=1")).words
    assert (await browser.get(f"/unread?{urlencode({'seen': '999+'})}")).code == 204


async def test_the_registry_shows_what_is_deployed(browser: Browser, records: Records) -> None:
    """Each service and route shows its state and a button that changes it."""
    await records.deploy(sensitive_params=True)
    await records.connection.execute("INSERT INTO services (name) VALUES ('orders')")
    words = (await browser.get("/registry")).words
    assert re.search(r"orders withdrawn Deploy orders No routes\.", words)
    assert re.search(r"v1/create deployed since just now sensitive: base64 only Withdraw", words)


async def test_a_withdrawal_asks_for_a_confirmation(browser: Browser, records: Records) -> None:
    """Every button that withdraws or forgets is within a confirmation that says what follows."""
    await records.deploy()
    await records.connection.execute("INSERT INTO services (name) VALUES ('orders')")
    await records.connection.execute(
        "INSERT INTO routes (service_id, version, action) SELECT max(id), 'v1', 'x' FROM services"
    )
    text = (await browser.get("/registry")).text
    confirmed = re.findall(r'<details class="confirm">.*?</details>', text, re.DOTALL)
    for action, count in (("withdraw", len(ROUTES) + 1), ("forget", 1)):
        form = f'action="/console/registry/{action}"'
        assert text.count(form) == sum(form in block for block in confirmed) == count


async def test_the_page_of_a_requirement(browser: Browser, connection: asyncpg.Connection) -> None:
    """The list links to the page of each requirement, which shows every column completely."""
    key, value = "k" * 255, "line one\nline two " + "v" * 4000
    number = await connection.fetchval(
        "INSERT INTO requirements (id, required_type, required_id, requireable_type, requireable_id, key, value, "
        "application_id, user_id, session_id) VALUES (0, 'Service', -1, 'Odd type', 2, $1, $2, 3, 4, 5) RETURNING id",
        key,
        value,
    )
    listed = await browser.get("/requirements")
    assert f'<a href="/console/requirements/{number}">' in listed.text
    assert value not in listed.text
    page = await browser.get(f"/requirements/{number}")
    assert key in page.text
    assert value in unescape(page.text)
    for text in ("Odd type 2 requires Service -1", "application 3", "user 4", "session 5"):
        assert text in page.words
    for address in re.findall(r'href="/console(/requirements\?[^"]+)"', page.text):
        assert ids(await browser.get(unescape(address))) == [number]
    assert (await browser.get("/requirements/99")).code == 404


async def test_a_filter_keeps_the_others(browser: Browser, connection: asyncpg.Connection) -> None:
    """A reference or key in a row is a link that adds itself to the filters in force, which the form shows."""
    await connection.execute(FILL)
    page = await browser.get("/requirements?required_type=Service&required_id=1&key=tier")
    (address,) = {
        unescape(a) for a in re.findall(r'href="/console(/requirements\?[^"]*requireable_id=1[^"]*)"', page.text)
    }
    assert parse_qs(urlsplit(address).query) == {
        "required_type": ["Service"],
        "required_id": ["1"],
        "key": ["tier"],
        "requireable_type": ["User"],
        "requireable_id": ["1"],
    }
    assert 'name="key" maxlength="255" placeholder="any" value="tier"' in page.text
    assert "<option selected>Service</option>" in page.text


async def test_applications_and_sessions_are_paged(browser: Browser, records: Records) -> None:
    """Applications are sorted by slug, sessions newest first, each with its own paging."""
    connection = records.connection
    await connection.execute(
        "INSERT INTO applications (slug, name) SELECT 'a' || lpad(n::text, 3, '0'), 'A' FROM generate_series(1, 60) n"
    )
    await connection.execute("INSERT INTO users (email) VALUES ('a@example.com'), ('b@example.com')")
    await connection.execute(
        "INSERT INTO sessions (user_id, token_digest) SELECT 1 + n % 2, n::text::bytea FROM generate_series(1, 120) n"
    )
    first = await browser.get("/access")
    later = [await browser.get(f"/access?after=a0{last}") for last in (20, 40)]
    slugs = re.findall(r">(a\d{3})</span>", "".join(page.text for page in (first, *later)))
    assert slugs == [f"a{number:03}" for number in range(1, 61)]
    (page_of_sessions,) = re.findall(r'href="/console(/access\?before=\d+)"', first.text)
    assert [len(page) for page in await walk_sessions(browser, page_of_sessions)] == [20, 20, 20, 20, 20]
    assert [len(page) for page in await walk_sessions(browser, "/access?user=a@example.com")] == [20, 20, 20]


async def walk_sessions(browser: Browser, path: str) -> list[list[int]]:
    """The ids of all session pages from `path` on."""
    pages = []
    following: str | None = path
    while following is not None:
        answer = await browser.get(following)
        pages.append(ids(answer))
        found = [unescape(address) for address in re.findall(r'rel="next" href="/console([^"]+)"', answer.text)]
        following = next((address for address in found if "before=" in address), None)
    return pages


async def test_the_state_of_a_session(browser: Browser, records: Records) -> None:
    """A session is shown as live, revoked or expired, as the API would treat it."""
    await records.session()
    await records.session(age=timedelta(days=8))
    await records.session(idle=timedelta(hours=73))
    await records.session(age=timedelta(days=8), remember_me=True)
    revoked = await records.session()
    await records.connection.execute("UPDATE sessions SET revoked_at = now() WHERE id = $1", revoked.id)
    text = (await browser.get("/access")).text
    states = re.findall(r'<span class="state \w+">(live|revoked|expired)</span>', text)
    assert states == ["revoked", "live", "expired", "expired", "live"]


async def test_the_audit_is_paged(browser: Browser, connection: asyncpg.Connection) -> None:
    """The audit is paged, newest first."""
    await connection.execute(
        "INSERT INTO audit (actor, action) SELECT 'Ada', 'change ' || n FROM generate_series(1, 70) n"
    )
    first = await browser.get("/audit")
    second = await browser.get(next_page(first) or "")
    found = re.findall(r">change (\d+)<", first.text + second.text)
    assert found == [str(number) for number in range(70, 0, -1)]
