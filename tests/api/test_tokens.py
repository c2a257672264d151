"""Authentication over HTTP: application tokens, sessions, and the clock that decides their expiry."""

from datetime import timedelta

import pytest

from service.api.app import create_app
from service.config import Config
from service.domain.callers import digest
from service.domain.statuses import ClientRequired, InvalidToken, SessionExpired
from service.storage import applications, sessions, users
from tests.api.exchange import Body, post_create, post_create_by, refusal
from tests.api.views import session_views
from tests.conftest import AppClient, Client
from tests.factories import AppRecord, Records, SessionRecord, params

A_LITTLE = timedelta(seconds=5)
WEEK, IDLE = timedelta(days=7), timedelta(hours=72)

# Age, idle time, remember_me, and whether the session is valid.
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
    ("remembered, very old", WEEK * 500, WEEK * 400, True, True),
]

# The offset of the database's clock, and whether a new session is then valid.
SHIFTS = [("8 days", False), ("7 days 1 minute", False), ("71 hours", True), ("-8 days", True)]


@pytest.mark.parametrize("token", ["unknown", "0", "\U0001f600", "a" * 1000])
async def test_an_unknown_token(client: Client, user_id: int, token: str) -> None:
    """An unknown token is invalid-token."""
    assert (await post_create(client, params(token, user_id))).code_and_body == refusal(InvalidToken)


async def test_a_digest_is_no_token(client: Client, application: AppRecord, user_id: int) -> None:
    """A stored digest is not accepted as a token."""
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
    """No column of a token's row contains the token in any form."""
    application = await records.application()
    session = await records.session(application_id=application.id)
    rows = await records.connection.fetch(query)
    assert [len(row["token_digest"]) for row in rows] == [32]
    for token in (application.token, session.token):
        assert all(form not in row["content"] for row in rows for form in (token, token.encode().hex()))


async def test_a_revoked_application_token(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """A revoked application token is refused on the next request; other tokens of the application are not."""
    issued = await applications.issue_application_token(records.connection, application.slug)
    assert issued is not None
    sent = params(application.token, user_id)
    assert (await post_create(client, sent)).status == "action-successful"
    assert await applications.revoke_application_tokens(records.connection, application.slug, issued[0] - 1) == 1
    assert (await post_create(client, sent)).code_and_body == refusal(InvalidToken)
    assert (await post_create(client, params(issued[1], user_id))).status == "action-successful"


async def test_a_revoked_session(client: Client, records: Records) -> None:
    """A revoked session is refused on the next request."""
    session = await records.session()
    assert (await post_create_by(client, session)).status == "action-successful"
    await sessions.revoke_session(records.connection, session.id)
    assert (await post_create_by(client, session)).code_and_body == refusal(InvalidToken)


async def test_a_revocation_applies_in_every_worker(
    config: Config, client: Client, records: Records, aiohttp_client: AppClient
) -> None:
    """A revoked session is refused on the next request in every worker."""
    session = await records.session()
    workers = [client, await aiohttp_client(create_app(config))]
    assert {(await post_create_by(worker, session)).status for worker in workers} == {"action-successful"}
    await sessions.revoke_user_sessions(records.connection, session.email)
    assert [(await post_create_by(worker, session)).code_and_body for worker in workers] == [refusal(InvalidToken)] * 2


async def test_an_inactive_application(client: Client, records: Records, application: AppRecord, user_id: int) -> None:
    """Tokens and sessions of an inactive application are refused until it is active again."""
    session = await records.session(application_id=application.id, remember_me=True)
    tokens = [application.token, session.token]
    await applications.set_application_active(records.connection, application.slug, active=False)
    refused = [(await post_create(client, params(token, user_id))).code_and_body for token in tokens]
    assert refused == [refusal(InvalidToken)] * 2
    await applications.set_application_active(records.connection, application.slug, active=True)
    assert {(await post_create(client, params(token, user_id))).status for token in tokens} == {"action-successful"}


async def test_sessions_of_other_applications_stay_valid(
    client: Client, records: Records, application: AppRecord
) -> None:
    """Deactivating an application does not affect sessions of other applications or of none."""
    in_another = await records.session(application_id=(await records.application()).id)
    in_none = await records.session()
    await applications.set_application_active(records.connection, application.slug, active=False)
    assert {(await post_create_by(client, session)).status for session in (in_another, in_none)} == {
        "action-successful"
    }


@pytest.mark.parametrize(
    ("age", "idle", "remember_me", "good"), [pytest.param(*case[1:], id=case[0]) for case in SESSIONS]
)
async def test_session_expiry(
    client: Client, records: Records, age: timedelta, idle: timedelta, *, remember_me: bool, good: bool
) -> None:
    """A session expires after seven days or 72 hours unused; a remembered session does not expire."""
    session = await records.session(age=age, idle=idle, remember_me=remember_me)
    response = await post_create_by(client, session)
    if good:
        assert response.status == "action-successful"
    else:
        assert response.code_and_body == refusal(SessionExpired)
    assert await records.count() == good


@pytest.mark.parametrize(("shift", "good"), SHIFTS)
async def test_expiry_uses_the_database_clock(
    config: Config, records: Records, aiohttp_client: AppClient, shift: str, *, good: bool
) -> None:
    """Session expiry is decided by the database's now(), not by the worker's clock."""
    await records.deploy()
    session = await records.session()
    client = await aiohttp_client(create_app(config))
    await records.connection.execute(f"""
        CREATE OR REPLACE FUNCTION pg_catalog.now() RETURNS timestamptz STABLE LANGUAGE sql
        AS $$ SELECT pg_catalog.transaction_timestamp() + interval '{shift}' $$;
    """)
    try:
        response = await post_create_by(client, session)
    finally:
        await records.connection.execute("""
            CREATE OR REPLACE FUNCTION pg_catalog.now() RETURNS timestamptz STABLE STRICT PARALLEL SAFE
            LANGUAGE internal AS 'now';
        """)
    assert response.status == ("action-successful" if good else "session-expired")


@pytest.mark.parametrize("role", users.ROLES)
async def test_one_role_is_enough(client: Client, records: Records, role: str) -> None:
    """A user with one role, client, employee or liaison, may create."""
    session = await records.session(role)
    response = await post_create_by(client, session, session_view="detailed")
    assert response.status == "action-successful"
    assert response.body["session"]["roles"] == [role]


async def test_a_lost_role_applies_at_once(client: Client, records: Records) -> None:
    """A user who loses the last role is refused on the next request."""
    session = await records.session("employee")
    assert (await post_create_by(client, session)).status == "action-successful"
    await records.connection.execute("DELETE FROM employees")
    assert (await post_create_by(client, session)).status == "client-required"


async def roleless(records: Records, application: AppRecord) -> tuple[SessionRecord, dict[str, Body]]:
    """A session of a user without a role, and its expected views."""
    session = await records.session_of(*await records.user(), application_id=application.id)
    return session, await session_views(records.connection, session)


@pytest.mark.parametrize(
    ("changes", "view"),
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
    client: Client, records: Records, application: AppRecord, changes: dict[str, object], view: str
) -> None:
    """client-required shows the session in the requested view, or else in the default view, and nothing else."""
    session, views = await roleless(records, application)
    response = await post_create_by(client, session, **changes)
    assert response.code_and_body == refusal(ClientRequired, session=views[view])
    assert (await records.count(), response.outcome) == (0, "none")
