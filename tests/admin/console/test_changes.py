"""Changes in the console: made and recorded in the audit together, or not at all."""
# ruff: noqa: E501 - one case per line

import json
import re
from collections.abc import Mapping

import asyncpg
import pytest

from service.domain.callers import digest
from tests.admin.console.conftest import NAME, Browser, notify
from tests.factories import ROUTE, Records

Fields = Mapping[str, str]

APPLICATION = "/access/applications/1"
LIVE = "SELECT count(*) FROM application_tokens WHERE revoked_at IS NULL"
LIVE_SESSIONS = "SELECT count(*) FROM sessions WHERE revoked_at IS NULL"
DEPLOYED = "SELECT count(*) FROM routes WHERE deployed_at IS NOT NULL"
SERVICES = "SELECT count(*) FROM services WHERE deployed_at IS NOT NULL"
ACTIVE = "SELECT count(*) FROM applications WHERE active"
DEAD = "SELECT count(*) FROM emails WHERE state = 'dead'"
REQUIREMENTS = "SELECT count(*) FROM requirements"
KEYED = "SELECT count(*) FROM requirements WHERE key = 'tier' AND value IS NULL"
SHOWN = {"if_updated_at": "2026-11-23T10:00:00.123456Z"}
UNREAD = "SELECT count(*) FROM notifications WHERE acknowledged_at IS NULL"

# The path and fields of a form; a query with its result before and after; the action and details in the audit.
CHANGES = [
    ("/registry/deploy", {"name": "orders/v1/list"}, (DEPLOYED, 1, 2), "deploy", {"name": "orders/v1/list", "sensitive_params": None}),
    ("/registry/deploy", {"name": "orders", "sensitive_params": "yes"}, (SERVICES, 1, 2), "deploy", {"name": "orders", "sensitive_params": True}),
    ("/registry/withdraw", {"name": "requirements/v1/create"}, (DEPLOYED, 1, 0), "withdraw", {"name": "requirements/v1/create"}),
    ("/registry/withdraw", {"name": "requirements"}, (SERVICES, 1, 0), "withdraw", {"name": "requirements"}),
    ("/registry/forget", {"name": "requirements/v1/create"}, (DEPLOYED, 1, 0), "forget", {"name": "requirements/v1/create"}),
    ("/emails/1/retry", {}, (DEAD, 1, 0), "retry e-mails", {"emails": [1], "count": 1}),
    ("/emails/retry", {"state": "dead"}, (DEAD, 1, 0), "retry e-mails", {"emails": "all", "count": 2}),
    ("/access/applications", {"slug": " shop ", "name": "Shop"}, (ACTIVE, 1, 2), "create application", {"application": "shop", "name": "Shop"}),
    (f"{APPLICATION}/issue", {}, (LIVE, 2, 3), "issue token", {"application": "app", "token": 3}),
    (f"{APPLICATION}/rotate", {}, (LIVE, 2, 1), "rotate tokens", {"application": "app", "revoked": 2, "token": 3}),
    (f"{APPLICATION}/revoke", {}, (LIVE, 2, 0), "revoke tokens", {"application": "app", "token": "all"}),
    (f"{APPLICATION}/revoke", {"token_id": "2"}, (LIVE, 2, 1), "revoke tokens", {"application": "app", "token": 2}),
    (f"{APPLICATION}/switch", {"active": "no"}, (ACTIVE, 1, 0), "deactivate application", {"application": "app"}),
    (f"{APPLICATION}/switch", {"active": "yes"}, (ACTIVE, 1, 1), "activate application", {"application": "app"}),
    ("/access/sessions", {"email": "a@example.com", "application": "app"}, (LIVE_SESSIONS, 2, 3), "open session", {"user": "a@example.com", "application": "app", "remember_me": False, "session": 3}),
    ("/access/sessions/1/revoke", {}, (LIVE_SESSIONS, 2, 1), "revoke session", {"session": 1}),
    ("/access/sessions/revoke", {"email": "a@example.com"}, (LIVE_SESSIONS, 2, 0), "revoke sessions", {"user": "a@example.com", "count": 2}),
    ("/notifications/2/acknowledge", {}, (UNREAD, 3, 2), "acknowledge notification", {"id": 2}),
    ("/notifications/acknowledge", {"until": "2"}, (UNREAD, 3, 1), "acknowledge notifications", {"until": 2, "kind": None, "count": 2}),
    ("/notifications/acknowledge", {"until": "3", "kind": "other"}, (UNREAD, 3, 2), "acknowledge notifications", {"until": 3, "kind": "other", "count": 1}),
    ("/requirements/1/update", {**SHOWN, "key": "tier", "no_value": "yes"}, (KEYED, 0, 1), "update requirement", {"requirement_id": 1, "changed": ["key"]}),
    ("/requirements/1/destroy", SHOWN, (REQUIREMENTS, 1, 0), "destroy requirement", {"requirement_id": 1, "requireable": "B 2", "required": "A 1"}),
]  # fmt: skip

REFUSED = [
    ("nothing deployed by that name", "/registry/withdraw", {"name": "orders/v1/list"}, 404),
    ("no name of a route", "/registry/deploy", {"name": "orders/v1"}, 400),
    ("an empty part", "/registry/deploy", {"name": "orders//list"}, 400),
    ("no name", "/registry/deploy", {}, 400),
    ("a misspelt route", "/registry/deploy", {"name": "requirements/v1/creat"}, 400),
    ("no such record", "/registry/forget", {"name": "requirements/v1/creat"}, 404),
    ("a service to forget", "/registry/forget", {"name": "requirements"}, 400),
    ("an e-mail that is sent", "/emails/3/retry", {}, 409),
    ("no such e-mail", "/emails/99/retry", {}, 409),
    ("NUL", "/registry/deploy", {"name": "a\0b"}, 400),
    ("a slug that is taken", "/access/applications", {"slug": "app"}, 409),
    ("no slug", "/access/applications", {"slug": " "}, 400),
    ("an odd slug", "/access/applications", {"slug": "../x"}, 400),
    ("a slug too long", "/access/applications", {"slug": "x" * 101}, 400),
    ("NUL in a name", "/access/applications", {"slug": "x", "name": "a\0b"}, 400),
    ("no such application", "/access/applications/99/issue", {}, 404),
    ("an id beyond all", f"/access/applications/{2**63}/issue", {}, 400),
    ("no such token", f"{APPLICATION}/revoke", {"token_id": "99"}, 409),
    ("no id", f"{APPLICATION}/revoke", {"token_id": "one"}, 400),
    ("no such user", "/access/sessions", {"email": "b@example.com"}, 409),
    ("no such application", "/access/sessions", {"email": "a@example.com", "application": "x"}, 409),
    ("no such session", "/access/sessions/99/revoke", {}, 404),
    ("no such requirement", "/requirements/9/update", SHOWN, 404),
    ("no such requirement", "/requirements/9/destroy", SHOWN, 404),
    ("a page without its time", "/requirements/1/update", {"key": "tier"}, 400),
    ("a page without its time", "/requirements/1/destroy", {"if_updated_at": "now"}, 400),
    (
        "a page that is not current",
        "/requirements/1/update",
        {"if_updated_at": "2026-11-23T10:00:00Z", "key": "tier"},
        409,
    ),
    ("a page that is not current", "/requirements/1/destroy", {"if_updated_at": "2026-11-23T10:00:00Z"}, 409),
    ("a key too long", "/requirements/1/update", {**SHOWN, "key": "k" * 256}, 400),
    ("NUL in a value", "/requirements/1/update", {**SHOWN, "value": "a\0b"}, 400),
    ("no such notification", "/notifications/99/acknowledge", {}, 404),
]


@pytest.fixture
async def populated(records: Records) -> asyncpg.Connection:
    """A database with some records of every kind. The cases refer to their ids."""
    connection = records.connection
    await records.deploy(route=ROUTE)
    application = await records.application("app")
    await connection.execute("INSERT INTO application_tokens (application_id, token_digest) VALUES (1, 'second')")
    await connection.execute("INSERT INTO users (email) VALUES ('a@example.com')")
    for _ in range(2):
        await records.session_of(1, "a@example.com", application_id=application.id)
    for kind in ("application-crash", "application-crash", "other"):
        await notify(connection, kind)
    await connection.execute(
        "INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, updated_at) "
        "VALUES ('A', 1, 'B', 2, '2026-11-23 10:00:00.123456+00')"
    )
    for state in ("dead", "pending", "sent"):
        await connection.execute("INSERT INTO emails (requirement_id, state) VALUES (1, $1)", state)
    return connection


async def audited(connection: asyncpg.Connection) -> list[tuple[str, str, object]]:
    """The rows of the audit, oldest first."""
    rows = await connection.fetch("SELECT actor, action, details FROM audit ORDER BY id")
    return [(row["actor"], row["action"], json.loads(row["details"])) for row in rows]


@pytest.mark.parametrize(
    ("path", "fields", "effect", "action", "details"), CHANGES, ids=[f"{case[3]} {case[1]}" for case in CHANGES]
)
async def test_a_change_is_made_and_recorded(
    browser: Browser,
    populated: asyncpg.Connection,
    path: str,
    fields: Fields,
    effect: tuple[str, int, int],
    action: str,
    details: object,
) -> None:
    """A change takes effect, and the audit shows its operator, action and details."""
    query, before, after = effect
    assert await populated.fetchval(query) == before
    page = await browser.change(path, fields)
    assert page.code == 200
    assert 'role="status" tabindex="-1"' in page.text
    assert await populated.fetchval(query) == after
    assert await audited(populated) == [(NAME, action, details)]
    assert f"{NAME} {action}" in (await browser.get("/audit")).words


@pytest.mark.parametrize(("path", "fields", "code"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
async def test_a_refused_change_is_not_recorded(
    browser: Browser, populated: asyncpg.Connection, path: str, fields: Fields, code: int
) -> None:
    """A refused change is an error page with the request id, and the audit gets no row."""
    answer = await browser.post(path, fields)
    assert answer.code == code
    assert f"HTTP {code} · request {answer.headers['X-Request-ID']}" in answer.words
    assert await audited(populated) == []


@pytest.mark.parametrize("case", CHANGES, ids=[f"{case[3]} {case[1]}" for case in CHANGES])
async def test_no_change_without_its_record(
    browser: Browser, populated: asyncpg.Connection, case: tuple[str, Fields, tuple[str, int, int], str, object]
) -> None:
    """If the audit row cannot be written, the change is rolled back."""
    await populated.execute("ALTER TABLE audit ADD CONSTRAINT audit_full CHECK (false)")
    answer = await browser.post(case[0], case[1])
    assert answer.code == 400
    assert await populated.fetchval(case[2][0]) == case[2][1]


async def test_a_new_token_is_shown_once(browser: Browser, populated: asyncpg.Connection) -> None:
    """Only the page after the change shows the token, and the database stores only its digest."""
    answer = await browser.post(f"{APPLICATION}/issue")
    path = (answer.location or "").removeprefix("/console")
    pages = [(await browser.get(path)).text for _ in range(2)]
    (token,) = re.findall(r'<input id="token"[^>]* value="([\w-]{43})"', pages[0])
    newest = await populated.fetchval("SELECT token_digest FROM application_tokens ORDER BY id DESC LIMIT 1")
    assert newest == digest(token)
    for text in (pages[1], answer.text, path, (await browser.get("/audit")).text, str(await audited(populated))):
        assert token not in text


async def test_head_does_not_use_up_the_token(browser: Browser, populated: asyncpg.Connection) -> None:
    """HEAD on the page that shows a new token leaves the token for the page itself."""
    location = (await browser.post(f"{APPLICATION}/issue")).location or ""
    response = await browser.client.head(location)
    assert (response.status, await response.read()) == (200, b"")
    page = await browser.get(location.removeprefix("/console"))
    (token,) = re.findall(r'<input id="token"[^>]* value="([\w-]{43})"', page.text)
    newest = await populated.fetchval("SELECT token_digest FROM application_tokens ORDER BY id DESC LIMIT 1")
    assert newest == digest(token)


async def test_a_session_token_is_shown_once(browser: Browser, populated: asyncpg.Connection) -> None:
    """The page after opening a session shows its token once."""
    page = await browser.change("/access/sessions", {"email": "a@example.com", "remember_me": "yes"})
    (token,) = re.findall(r'<input id="token"[^>]* value="([\w-]{43})"', page.text)
    row = await populated.fetchrow("SELECT token_digest, remember_me FROM sessions ORDER BY id DESC LIMIT 1")
    assert row is not None
    assert (row["token_digest"], row["remember_me"]) == (digest(token), True)
    assert token not in (await browser.get("/access")).text


async def test_another_login_cannot_see_the_message(browser: Browser, populated: asyncpg.Connection) -> None:
    """A flash message is shown only to the login that made the change."""
    path = ((await browser.post(f"{APPLICATION}/issue")).location or "").removeprefix("/console")
    await browser.log_in("Somebody else")
    assert 'id="token"' not in (await browser.get(path)).text
    assert await populated.fetchval(LIVE) == 3


async def test_a_misspelt_route_is_told_the_right_one(browser: Browser, populated: asyncpg.Connection) -> None:
    """A name that looks like a route of this build is refused with that route."""
    answer = await browser.post("/registry/deploy", {"name": "requirements/v1/creat"})
    assert "did you mean requirements/v1/create?" in answer.words
    assert await populated.fetchval("SELECT count(*) FROM routes") == 1


async def test_later_notifications_stay_unread(browser: Browser, populated: asyncpg.Connection) -> None:
    """The button "Acknowledge all" does not acknowledge a notification that is newer than the page."""
    page = await browser.get("/notifications")
    (until,) = re.findall(r'name="until" value="(\d+)"', page.text)
    await notify(populated)
    await browser.change("/notifications/acknowledge", {"until": until})
    assert await populated.fetchval(UNREAD) == 1


async def test_two_people_acknowledge_one(browser: Browser, populated: asyncpg.Connection) -> None:
    """The second acknowledgement changes nothing, and the audit has one row."""
    codes = [(await browser.post("/notifications/1/acknowledge")).code for _ in range(2)]
    assert codes == [303, 303]
    assert len(await audited(populated)) == 1
