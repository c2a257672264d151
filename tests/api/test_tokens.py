"""Who is let in, through HTTP: tokens, sessions, and the clock that they are judged by."""

from datetime import timedelta

import pytest

from service.api.app import create_app
from service.config import Config
from service.domain.callers import digest
from service.domain.statuses import ClientRequired, InvalidToken, SessionExpired
from service.storage import applications, sessions, users
from tests.api.exchange import ApiResponse, Body, post_create, refusal, timestamp
from tests.conftest import AppClient, Client
from tests.factories import AppRecord, Records, SessionRecord, params

A_LITTLE = timedelta(seconds=5)
WEEK, IDLE = timedelta(days=7), timedelta(hours=72)

# How old a session is, how long unused, whether remembered, and whether it is still good.
SESSIONS = [
    ("new", timedelta(0), timedelta(0), False, True),
    ("just under a week", WEEK - A_LITTLE, timedelta(0), False, True),
    ("just over a week", WEEK + timedelta(milliseconds=1), timedelta(0), False, False),
    ("just under 72 hours unused", IDLE, IDLE - A_LITTLE, False, True),
    ("just over 72 hours unused", IDLE, IDLE + timedelta(milliseconds=1), False, False),
    ("both nearly over", WEEK - A_LITTLE, IDLE - A_LITTLE, False, True),
    ("both over", WEEK * 2, IDLE * 2, False, False),
    ("remembered, just over a week", WEEK + A_LITTLE, timedelta(0), True, True),
    ("remembered, just over 72 hours unused", IDLE + A_LITTLE, IDLE + A_LITTLE, True, True),
    ("remembered, of old", WEEK * 500, WEEK * 400, True, True),
]

# Every way that the database's clock may differ from ours, and whether a session just made is then still good.
SHIFTS = [("8 days", False), ("7 days 1 minute", False), ("71 hours", True), ("-8 days", True)]


async def use(client: Client, session: SessionRecord, **asked: object) -> ApiResponse:
    """The answer to a create with that session."""
    return await post_create(client, params(session.token, session.user_id, **asked))


@pytest.mark.parametrize("token", ["unknown", "0", "\U0001f600", "a" * 1000])
async def test_an_unknown_token(client: Client, user_id: int, token: str) -> None:
    """A token that nobody owns is invalid."""
    assert (await post_create(client, params(token, user_id))).code_and_body == refusal(InvalidToken)


async def test_a_digest_is_no_token(client: Client, application: AppRecord, user_id: int) -> None:
    """What the database holds of a token opens nothing."""
    for stored in (digest(application.token).hex(), f"\\x{digest(application.token).hex()}"):
        assert (await post_create(client, params(stored, user_id))).code_and_body == refusal(InvalidToken)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT application_tokens::text AS content, token_digest FROM application_tokens",
        "SELECT sessions::text AS content, token_digest FROM sessions",
    ],
)
async def test_only_digests_are_stored(records: Records, query: str) -> None:
    """No column of a token's row, in any form, holds the token itself."""
    application = await records.application()
    session = await records.session(application_id=application.id)
    rows = await records.connection.fetch(query)
    assert [len(row["token_digest"]) for row in rows] == [32]
    for token in (application.token, session.token):
        assert all(form not in row["content"] for row in rows for form in (token, token.encode().hex()))


async def test_a_revoked_application_token(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """A revoked token is invalid from the next request on; another token of its application is not."""
    issued = await applications.issue_application_token(records.connection, application.slug)
    assert issued is not None
    sent = params(application.token, user_id)
    assert (await post_create(client, sent)).status == "action-successful"
    assert await applications.revoke_application_tokens(records.connection, application.slug, issued[0] - 1) == 1
    assert (await post_create(client, sent)).code_and_body == refusal(InvalidToken)
    assert (await post_create(client, params(issued[1], user_id))).status == "action-successful"


async def test_a_revoked_session(client: Client, records: Records) -> None:
    """A revoked session is invalid from the next request on."""
    session = await records.session()
    assert (await use(client, session)).status == "action-successful"
    await sessions.revoke_session(records.connection, session.id)
    assert (await use(client, session)).code_and_body == refusal(InvalidToken)


async def test_a_revocation_counts_in_every_worker(
    config: Config, client: Client, records: Records, aiohttp_client: AppClient
) -> None:
    """No worker keeps a verdict: what one has just let in, it refuses once revoked."""
    session = await records.session()
    workers = [client, await aiohttp_client(create_app(config))]
    assert {(await use(worker, session)).status for worker in workers} == {"action-successful"}
    await sessions.revoke_user_sessions(records.connection, session.email)
    assert [(await use(worker, session)).code_and_body for worker in workers] == [refusal(InvalidToken)] * 2


async def test_an_inactive_application(client: Client, records: Records, application: AppRecord, user_id: int) -> None:
    """With its application inactive neither a token nor a session opened in it is good; active again, both are."""
    session = await records.session(application_id=application.id, remember_me=True)
    tokens = [application.token, session.token]
    await applications.set_application_active(records.connection, application.slug, active=False)
    told = [(await post_create(client, params(token, user_id))).code_and_body for token in tokens]
    assert told == [refusal(InvalidToken)] * 2
    await applications.set_application_active(records.connection, application.slug, active=True)
    assert {(await post_create(client, params(token, user_id))).status for token in tokens} == {"action-successful"}


async def test_another_application_s_session_stays(client: Client, records: Records, application: AppRecord) -> None:
    """A session opened elsewhere does not mind an inactive application."""
    elsewhere = await records.session(application_id=(await records.application()).id)
    nowhere = await records.session()
    await applications.set_application_active(records.connection, application.slug, active=False)
    assert {(await use(client, session)).status for session in (elsewhere, nowhere)} == {"action-successful"}


@pytest.mark.parametrize(
    ("age", "idle", "remember_me", "good"), [pytest.param(*case[1:], id=case[0]) for case in SESSIONS]
)
async def test_a_session_in_time(
    client: Client, records: Records, age: timedelta, idle: timedelta, *, remember_me: bool, good: bool
) -> None:
    """A session is good for seven days, while used within 72 hours, or for ever when remembered."""
    session = await records.session(age=age, idle=idle, remember_me=remember_me)
    answer = await use(client, session)
    if good:
        assert answer.status == "action-successful"
    else:
        assert answer.code_and_body == refusal(SessionExpired)
    assert await records.count() == good


@pytest.mark.parametrize(("shift", "good"), SHIFTS)
async def test_the_clock_is_the_database_s(
    config: Config, records: Records, aiohttp_client: AppClient, shift: str, *, good: bool
) -> None:
    """Sessions are judged by the database's now(), whatever the clock of the machine says."""
    await records.deploy()
    session = await records.session()
    database = await records.connection.fetchval("SELECT current_database()")
    await records.connection.execute(f"""
        CREATE SCHEMA shifted;
        CREATE FUNCTION shifted.now() RETURNS timestamptz STABLE LANGUAGE sql
        AS $$ SELECT pg_catalog.now() + interval '{shift}' $$;
        ALTER DATABASE {database} SET search_path = shifted, pg_catalog, public;
    """)
    answer = await use(await aiohttp_client(create_app(config)), session)
    assert answer.status == ("action-successful" if good else "session-expired")


@pytest.mark.parametrize("role", users.ROLES)
async def test_one_role_is_enough(client: Client, records: Records, role: str) -> None:
    """A client, an employee or a liaison may create."""
    session = await records.session(role)
    answer = await use(client, session, session_view="detailed")
    assert answer.status == "action-successful"
    assert answer.body["session"]["roles"] == [role]


async def test_a_lost_role_counts_at_once(client: Client, records: Records) -> None:
    """Roles are looked up anew for each request: without the last one the user must register again."""
    session = await records.session("employee")
    assert (await use(client, session)).status == "action-successful"
    await records.connection.execute("DELETE FROM employees")
    assert (await use(client, session)).status == "client-required"


async def roleless(records: Records, application: AppRecord) -> tuple[SessionRecord, dict[str, Body]]:
    """A session of a user without a role, and what each view shows of it."""
    session = await records.session_of(*await records.user(), application_id=application.id)
    row = await records.connection.fetchrow("SELECT * FROM sessions WHERE id = $1", session.id)
    assert row is not None
    default = {
        "id": session.id,
        "token": session.token,
        "application_id": application.id,
        "user_id": session.user_id,
        "remember_me": False,
        "created_at": timestamp(row["created_at"]),
        "last_used_at": timestamp(row["last_used_at"]),
        "expires_at": timestamp(row["last_used_at"] + IDLE),
    }
    user = {"id": session.user_id, "email": session.email}
    return session, {"default": default, "detailed": default | {"user": user, "roles": []}}


@pytest.mark.parametrize(
    ("asked", "view"),
    [
        ({}, "default"),
        ({"session_view": None}, "default"),
        ({"session_view": "default"}, "default"),
        ({"session_view": "detailed"}, "detailed"),
        ({"session_view": "unknown"}, "default"),
        ({"session_view": ""}, "default"),
        ({"session_view": 5}, "default"),
        ({"session_view": ["detailed"]}, "default"),
        ({"session_view": {"detailed": 1}, "application_view": "detailed"}, "default"),
    ],
)
async def test_client_required_shows_its_session(
    client: Client, records: Records, application: AppRecord, asked: dict[str, object], view: str
) -> None:
    """A user without a role is told the session, in the view asked for or else the default, and nothing more."""
    session, views = await roleless(records, application)
    answer = await use(client, session, **asked)
    assert answer.code_and_body == refusal(ClientRequired, session=views[view])
    assert (await records.count(), answer.outcome) == (0, "none")
