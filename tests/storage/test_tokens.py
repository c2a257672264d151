"""Token look-ups in the database: the verdict at every limit, to the microsecond."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from itertools import product
from typing import NamedTuple

import asyncpg
import pytest

from service.database.arrays import array_literal
from service.domain.callers import Caller, TokenLookup, refusal_of
from service.domain.statuses import InvalidToken, SessionExpired
from service.storage.tokens import LOOK_UP_TOKENS, lookup_of
from tests.factories import Records

MICROSECOND = timedelta(microseconds=1)
WEEK, IDLE, ZERO = timedelta(days=7), timedelta(hours=72), timedelta(0)

# Age, idle time, remember_me, and the time from now until it expires (None: never).
SESSIONS = [
    ("new", ZERO, ZERO, False, IDLE),
    ("a tick under a week", WEEK - MICROSECOND, ZERO, False, MICROSECOND),
    ("exactly a week", WEEK, ZERO, False, ZERO),
    ("a tick over a week", WEEK + MICROSECOND, ZERO, False, -MICROSECOND),
    ("a tick under 72 hours", IDLE, IDLE - MICROSECOND, False, MICROSECOND),
    ("exactly 72 hours", IDLE, IDLE, False, ZERO),
    ("a tick over 72 hours", IDLE + MICROSECOND, IDLE + MICROSECOND, False, -MICROSECOND),
    ("both limits at once", WEEK, IDLE, False, ZERO),
    ("used when it was new", IDLE * 2, IDLE * 2, False, -IDLE),
    ("made and used in the future", -WEEK, -WEEK, False, WEEK + IDLE),
    ("remembered, a tick over a week", WEEK + MICROSECOND, ZERO, True, None),
    ("remembered, a tick over 72 hours", IDLE + MICROSECOND, IDLE + MICROSECOND, True, None),
]

AGES = [-WEEK, ZERO, IDLE, WEEK - MICROSECOND, WEEK, WEEK + MICROSECOND, WEEK * 4]
IDLES = [-IDLE, ZERO, IDLE - MICROSECOND, IDLE, IDLE + MICROSECOND, WEEK, WEEK * 4]

CREATE_SESSIONS = """
INSERT INTO sessions (user_id, application_id, token_digest, created_at, last_used_at, remember_me, revoked_at)
SELECT $1, application_id, token_digest, now() - age, now() - idle, remember_me, CASE WHEN revoked THEN now() END
FROM unnest($2::bytea[], $3::bigint[], $4::interval[], $5::interval[], $6::boolean[], $7::boolean[])
AS new_sessions (token_digest, application_id, age, idle, remember_me, revoked)
"""


class NewSession(NamedTuple):
    """A session to create for the user, optionally opened in an application."""

    application_id: int | None = None
    age: timedelta = ZERO
    idle: timedelta = ZERO
    remember_me: bool = False
    revoked: bool = False


class Lookups:
    """Creates sessions and looks tokens up within one transaction, in which now() is constant."""

    def __init__(self, connection: asyncpg.Connection, user_id: int) -> None:
        self.connection = connection
        self.user_id = user_id

    async def find(self, sessions: list[NewSession]) -> list[TokenLookup]:
        """Create these sessions and look their tokens up, in the same order."""
        digests = [number.to_bytes(32) for number in range(len(sessions))]
        await self.connection.execute(CREATE_SESSIONS, self.user_id, digests, *map(list, zip(*sessions, strict=True)))
        return await self.look_up(digests)

    async def look_up(self, digests: list[bytes]) -> list[TokenLookup]:
        """Look up these digests, in the same order."""
        literal = array_literal(f"\\x{digest.hex()}" for digest in digests)
        rows = {row[0]: lookup_of(row) for row in await self.connection.fetch(LOOK_UP_TOKENS, literal)}
        return [rows[digest] for digest in digests]


@pytest.fixture
async def lookups(connection: asyncpg.Connection, records: Records) -> AsyncIterator[Lookups]:
    """Look-ups for the sessions of a user with the role client."""
    user_id, _ = await records.user()
    await connection.execute("INSERT INTO clients (user_id) VALUES ($1)", user_id)
    async with connection.transaction():
        yield Lookups(connection, user_id)


def verdict(lookup: TokenLookup) -> str:
    """The name of the status that refuses the token, or `good` if the token is valid."""
    refusal = refusal_of(lookup)
    return refusal.name if refusal is not None else "good"


async def inactive_application(records: Records) -> int:
    """Create an inactive application; return its id."""
    application = await records.application()
    await records.connection.execute("UPDATE applications SET active = false WHERE id = $1", application.id)
    return application.id


@pytest.mark.parametrize(
    ("age", "idle", "remember_me", "left"), [pytest.param(*case[1:], id=case[0]) for case in SESSIONS]
)
async def test_a_session_at_its_limits(
    lookups: Lookups, age: timedelta, idle: timedelta, left: timedelta | None, *, remember_me: bool
) -> None:
    """A session is valid up to and including the moment it expires, the earlier of its two limits."""
    (lookup,) = await lookups.find([NewSession(None, age, idle, remember_me)])
    session = lookup.caller.session
    assert session is not None
    assert (session.created_at, session.last_used_at) == (lookup.now - age, lookup.now - idle)
    assert session.expires_at == (None if left is None else lookup.now + left)
    good = left is None or left >= ZERO
    assert verdict(lookup) == ("good" if good else "session-expired")


async def test_expiry_ignores_daylight_saving(lookups: Lookups) -> None:
    """A daylight-saving change in the server's time zone does not change a session's expiry."""
    await lookups.connection.execute("SET LOCAL TimeZone = 'Europe/Berlin'")
    await lookups.find([NewSession()])
    spring = datetime.fromisoformat("2026-03-27T12:00:00+00:00")
    await lookups.connection.execute(
        "UPDATE sessions SET created_at = $1, last_used_at = $1::timestamptz + interval '5 days'", spring
    )
    (lookup,) = await lookups.look_up([(0).to_bytes(32)])
    assert lookup.caller.session is not None
    assert lookup.caller.session.expires_at == spring + WEEK


async def test_an_unknown_token_is_invalid(lookups: Lookups) -> None:
    """An unknown token is invalid-token."""
    (lookup,) = await lookups.look_up([bytes(32)])
    assert (verdict(lookup), lookup.caller) == ("invalid-token", Caller(None, None, sees_all=True))


async def test_the_order_of_refusals(lookups: Lookups, records: Records) -> None:
    """Of several reasons the first in this order is reported: invalid, expired, without a role."""
    await lookups.connection.execute("DELETE FROM clients")
    lookup_results = await lookups.find(
        [
            NewSession(await inactive_application(records), age=WEEK * 2),
            NewSession(age=WEEK * 2, revoked=True),
            NewSession(age=WEEK * 2),
            NewSession(),
        ]
    )
    assert list(map(verdict, lookup_results)) == [
        "invalid-token",
        "invalid-token",
        "session-expired",
        "client-required",
    ]


@pytest.mark.parametrize(("active", "revoked"), list(product([True, False], repeat=2)))
async def test_an_application_token(lookups: Lookups, records: Records, *, active: bool, revoked: bool) -> None:
    """An application token is valid if it is not revoked and its application is active; it needs no role."""
    application = await records.application()
    await lookups.connection.execute("UPDATE applications SET active = $1", active)
    await lookups.connection.execute("UPDATE application_tokens SET revoked_at = now() WHERE $1", revoked)
    (lookup,) = await lookups.look_up(
        [await lookups.connection.fetchval("SELECT token_digest FROM application_tokens")]
    )
    assert verdict(lookup) == ("good" if active and not revoked else "invalid-token")
    assert lookup.caller.application is not None
    assert (lookup.caller.application.id, lookup.caller.session) == (application.id, None)


@pytest.mark.parametrize("roles", [("client",), ("employee",), ("liaison",), ("client", "employee", "liaison"), ()])
async def test_any_role_is_enough(lookups: Lookups, roles: tuple[str, ...]) -> None:
    """A session is accepted with one role or more, which are returned in a fixed order."""
    await lookups.connection.execute("DELETE FROM clients")
    for role in roles:
        await lookups.connection.execute(f"INSERT INTO {role}s (user_id) VALUES ($1)", lookups.user_id)  # noqa: S608 - a role from the test
    (lookup,) = await lookups.find([NewSession()])
    assert lookup.caller.session is not None
    assert tuple(lookup.caller.session.roles or ()) == roles
    assert verdict(lookup) == ("good" if roles else "client-required")


def expected(session: NewSession, inactive_id: int) -> str:
    """The verdict by the contract's definition, calculated in whole microseconds."""
    over_age = session.age // MICROSECOND > 7 * 24 * 3600 * 1_000_000
    over_idle = session.idle // MICROSECOND > 72 * 3600 * 1_000_000
    if session.revoked or session.application_id == inactive_id:
        return InvalidToken.name
    if not session.remember_me and (over_age or over_idle):
        return SessionExpired.name
    return "good"


async def test_every_verdict_is_the_contracts(lookups: Lookups, records: Records) -> None:
    """Every combination of age, idle time, application, remember_me and revocation has the contract's verdict."""
    active_id, inactive_id = (await records.application()).id, await inactive_application(records)
    flags = (True, False)
    every: Iterator[tuple[int | None, timedelta, timedelta, bool, bool]]
    every = product([None, active_id, inactive_id], AGES, IDLES, flags, flags)
    sessions = [NewSession(*lookup) for lookup in every]
    verdicts = list(map(verdict, await lookups.find(sessions)))
    assert verdicts == [expected(session, inactive_id) for session in sessions]
    assert len(set(verdicts)) == 3
