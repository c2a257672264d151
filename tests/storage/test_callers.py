"""The verdict on a token, worked out by the database: at every limit, to the microsecond."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from itertools import product
from typing import NamedTuple

import asyncpg
import pytest

from service.domain.callers import TokenLookup, refusal_of
from service.domain.statuses import InvalidToken, SessionExpired
from service.storage.tokens import LOOK_UP_TOKENS, lookup_of
from tests.factories import Records

TICK = timedelta(microseconds=1)
WEEK, IDLE, NOTHING = timedelta(days=7), timedelta(hours=72), timedelta(0)

# How old, how long unused, whether remembered, and when it expires as counted from now (None: never).
SESSIONS = [
    ("new", NOTHING, NOTHING, False, IDLE),
    ("a tick under a week", WEEK - TICK, NOTHING, False, TICK),
    ("exactly a week", WEEK, NOTHING, False, NOTHING),
    ("a tick over a week", WEEK + TICK, NOTHING, False, -TICK),
    ("a tick under 72 hours", IDLE, IDLE - TICK, False, TICK),
    ("exactly 72 hours", IDLE, IDLE, False, NOTHING),
    ("a tick over 72 hours", IDLE + TICK, IDLE + TICK, False, -TICK),
    ("both limits at once", WEEK, IDLE, False, NOTHING),
    ("used when it was new", IDLE * 2, IDLE * 2, False, -IDLE),
    ("made and used in the future", -WEEK, -WEEK, False, WEEK + IDLE),
    ("remembered, a tick over a week", WEEK + TICK, NOTHING, True, None),
    ("remembered, a tick over 72 hours", IDLE + TICK, IDLE + TICK, True, None),
]

AGES = [-WEEK, NOTHING, IDLE, WEEK - TICK, WEEK, WEEK + TICK, WEEK * 4]
IDLES = [-IDLE, NOTHING, IDLE - TICK, IDLE, IDLE + TICK, WEEK, WEEK * 4]

OPEN = """
INSERT INTO sessions (user_id, application_id, token_digest, created_at, last_used_at, remember_me, revoked_at)
SELECT $1, application_id, token_digest, now() - age, now() - idle, remember_me, CASE WHEN revoked THEN now() END
FROM unnest($2::bytea[], $3::bigint[], $4::interval[], $5::interval[], $6::boolean[], $7::boolean[])
AS opened (token_digest, application_id, age, idle, remember_me, revoked)
"""


class Opened(NamedTuple):
    """A session of a user, and in which application it was opened, if in any."""

    application_id: int | None = None
    age: timedelta = NOTHING
    idle: timedelta = NOTHING
    remember_me: bool = False
    revoked: bool = False


class Door:
    """Opens sessions and looks tokens up, all within one transaction, for which time stands still."""

    def __init__(self, connection: asyncpg.Connection, user_id: int) -> None:
        self.connection = connection
        self.user_id = user_id

    async def find(self, sessions: list[Opened]) -> list[TokenLookup]:
        """What is found of these sessions, one after the other."""
        digests = [number.to_bytes(32) for number in range(len(sessions))]
        await self.connection.execute(OPEN, self.user_id, digests, *map(list, zip(*sessions, strict=True)))
        return await self.look_up(digests)

    async def look_up(self, digests: list[bytes]) -> list[TokenLookup]:
        """What is found of these digests."""
        rows = {row[0]: lookup_of(row) for row in await self.connection.fetch(LOOK_UP_TOKENS, digests)}
        return [rows[digest] for digest in digests]


@pytest.fixture
async def door(connection: asyncpg.Connection, records: Records) -> AsyncIterator[Door]:
    """For the sessions of a user who is a client."""
    user_id, _ = await records.user()
    await connection.execute("INSERT INTO clients (user_id) VALUES ($1)", user_id)
    async with connection.transaction():
        yield Door(connection, user_id)


def verdict(one: TokenLookup) -> str:
    """The name of the refusal, or `good` if the token is valid."""
    refusal = refusal_of(one)
    return refusal.name if refusal is not None else "good"


async def inactive(records: Records) -> int:
    """The id of an inactive application."""
    application = await records.application()
    await records.connection.execute("UPDATE applications SET active = false WHERE id = $1", application.id)
    return application.id


@pytest.mark.parametrize(
    ("age", "idle", "remember_me", "left"), [pytest.param(*case[1:], id=case[0]) for case in SESSIONS]
)
async def test_a_session_at_its_limits(
    door: Door, age: timedelta, idle: timedelta, left: timedelta | None, *, remember_me: bool
) -> None:
    """A session is good up to and at the moment it expires, which is the earlier of its two limits."""
    (one,) = await door.find([Opened(None, age, idle, remember_me)])
    session = one.caller.session
    assert session is not None
    assert (session.created_at, session.last_used_at) == (one.now - age, one.now - idle)
    assert session.expires_at == (None if left is None else one.now + left)
    good = left is None or left >= NOTHING
    assert verdict(one) == ("good" if good else "session-expired")


async def test_the_limits_are_hours_not_days_of_a_place(door: Door) -> None:
    """A change of the clocks where the server stands makes no session shorter or longer."""
    await door.connection.execute("SET LOCAL TimeZone = 'Europe/Berlin'")
    await door.find([Opened()])
    spring = datetime.fromisoformat("2026-03-27T12:00:00+00:00")
    await door.connection.execute(
        "UPDATE sessions SET created_at = $1, last_used_at = $1::timestamptz + interval '5 days'", spring
    )
    (one,) = await door.look_up([(0).to_bytes(32)])
    assert one.caller.session is not None
    assert one.caller.session.expires_at == spring + WEEK


async def test_nobody_is_an_invalid_token(door: Door) -> None:
    """A token that nobody owns is invalid."""
    (one,) = await door.look_up([bytes(32)])
    assert (verdict(one), one.caller) == ("invalid-token", (None, None))


async def test_invalid_comes_before_expired_and_that_before_a_missing_role(door: Door, records: Records) -> None:
    """Of several reasons the first counts: invalid, expired, without a role."""
    await door.connection.execute("DELETE FROM clients")
    refused = await door.find(
        [
            Opened(await inactive(records), age=WEEK * 2),
            Opened(age=WEEK * 2, revoked=True),
            Opened(age=WEEK * 2),
            Opened(),
        ]
    )
    assert list(map(verdict, refused)) == ["invalid-token", "invalid-token", "session-expired", "client-required"]


@pytest.mark.parametrize(("active", "revoked"), list(product([True, False], repeat=2)))
async def test_an_application_s_token(door: Door, records: Records, *, active: bool, revoked: bool) -> None:
    """It is good while it is not revoked and its application is active; no role is asked for."""
    application = await records.application()
    await door.connection.execute("UPDATE applications SET active = $1", active)
    await door.connection.execute("UPDATE application_tokens SET revoked_at = now() WHERE $1", revoked)
    (one,) = await door.look_up([await door.connection.fetchval("SELECT token_digest FROM application_tokens")])
    assert verdict(one) == ("good" if active and not revoked else "invalid-token")
    assert one.caller.application is not None
    assert (one.caller.application.id, one.caller.session) == (application.id, None)


@pytest.mark.parametrize("roles", [("client",), ("employee",), ("liaison",), ("client", "employee", "liaison"), ()])
async def test_any_role_will_do(door: Door, roles: tuple[str, ...]) -> None:
    """A session is let in with one role or more, which are told in their order."""
    await door.connection.execute("DELETE FROM clients")
    for role in roles:
        await door.connection.execute(f"INSERT INTO {role}s (user_id) VALUES ($1)", door.user_id)  # noqa: S608 - ours
    (one,) = await door.find([Opened()])
    assert one.caller.session is not None
    assert tuple(one.caller.session.roles) == roles
    assert verdict(one) == ("good" if roles else "client-required")


def expected(session: Opened, inactive_id: int) -> str:
    """The verdict by the contract's words, reckoned in whole microseconds."""
    over_age = session.age // TICK > 7 * 24 * 3600 * 1_000_000
    over_idle = session.idle // TICK > 72 * 3600 * 1_000_000
    if session.revoked or session.application_id == inactive_id:
        return InvalidToken.name
    if not session.remember_me and (over_age or over_idle):
        return SessionExpired.name
    return "good"


async def test_every_verdict_is_that_of_the_contract(door: Door, records: Records) -> None:
    """Sessions of all ages, opened anywhere, remembered or not, revoked or not: each as the contract's words say."""
    active_id, inactive_id = (await records.application()).id, await inactive(records)
    flags = (True, False)
    every: Iterator[tuple[int | None, timedelta, timedelta, bool, bool]]
    every = product([None, active_id, inactive_id], AGES, IDLES, flags, flags)
    sessions = [Opened(*one) for one in every]
    verdicts = list(map(verdict, await door.find(sessions)))
    assert verdicts == [expected(session, inactive_id) for session in sessions]
    assert len(set(verdicts)) == 3
