"""Judging a caller: a pure function of what was found and the database's clock."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.callers import Application, Caller, Session, judge
from service.errors import InvalidToken, Refusal, SessionExpired

NOW = datetime(2026, 11, 23, 10, 0, 0, 123456, UTC)
TICK = timedelta(microseconds=1)
WEEK, IDLE, NOTHING = timedelta(days=7), timedelta(hours=72), timedelta(0)

APPLICATION = Application(id=7, slug="shop", name="Shop", active=True, created_at=NOW, updated_at=NOW)
INACTIVE = APPLICATION._replace(active=False)

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

Ages = st.one_of(
    st.timedeltas(timedelta(days=-1), timedelta(days=30)),
    st.tuples(st.sampled_from([NOTHING, WEEK, IDLE]), st.integers(-2, 2)).map(lambda pair: pair[0] + pair[1] * TICK),
)
Applications = st.sampled_from([None, APPLICATION, INACTIVE])
Flags = st.booleans()


def session(age: timedelta = NOTHING, idle: timedelta = NOTHING, *, remember_me: bool = False) -> Session:
    """A session of that age, unused for that long."""
    return Session(
        id=3,
        user_id=5,
        email="user@example.com",
        roles=(),
        remember_me=remember_me,
        created_at=NOW - age,
        last_used_at=NOW - idle,
    )


def verdict(caller: Caller | None) -> str:
    """The name of the refusal, or `good` when the caller came back as it was."""
    try:
        assert judge(caller, NOW) is caller
    except Refusal as refusal:
        return refusal.name
    return "good"


@pytest.mark.parametrize(
    ("age", "idle", "remember_me", "left"), [pytest.param(*case[1:], id=case[0]) for case in SESSIONS]
)
def test_a_session_at_its_limits(age: timedelta, idle: timedelta, left: timedelta | None, *, remember_me: bool) -> None:
    """A session is good up to and at the moment it expires, which is the earlier of its two limits."""
    found = session(age, idle, remember_me=remember_me)
    assert found.expires_at == (None if left is None else NOW + left)
    good = left is None or left >= NOTHING
    assert verdict(Caller(None, found, revoked=False)) == ("good" if good else "session-expired")


def test_nobody_is_an_invalid_token() -> None:
    """A token that nobody owns is invalid."""
    with pytest.raises(InvalidToken):
        judge(None, NOW)


@pytest.mark.parametrize(
    ("application", "found", "revoked", "expected"),
    [
        (APPLICATION, None, False, "good"),
        (APPLICATION, None, True, "invalid-token"),
        (INACTIVE, None, False, "invalid-token"),
        (None, session(), True, "invalid-token"),
        (APPLICATION, session(), False, "good"),
        (INACTIVE, session(), False, "invalid-token"),
        (INACTIVE, session(remember_me=True), False, "invalid-token"),
        (INACTIVE, session(WEEK * 2), False, "invalid-token"),
        (APPLICATION, session(WEEK * 2), True, "invalid-token"),
        (APPLICATION, session(WEEK * 2), False, "session-expired"),
    ],
)
def test_invalid_comes_before_expired(
    application: Application | None, found: Session | None, expected: str, *, revoked: bool
) -> None:
    """Revoked or of an inactive application is an invalid token, also when the session has expired as well."""
    assert verdict(Caller(application, found, revoked)) == expected


def test_a_user_without_a_role_is_judged_good() -> None:
    """Whether a user holds a role is no matter of the token."""
    assert session().roles == ()
    assert verdict(Caller(None, session(), revoked=False)) == "good"


@given(
    application=Applications,
    age=Ages,
    idle=Ages,
    remember_me=st.booleans(),
    revoked=st.booleans(),
    opened=st.booleans(),
)
def test_judgement_is_that_of_the_contract(
    application: Application | None, age: timedelta, idle: timedelta, *, remember_me: bool, revoked: bool, opened: bool
) -> None:
    """Whatever was found, the verdict is what the contract's words say, reckoned in whole microseconds."""
    found = session(age, idle, remember_me=remember_me) if opened else None
    over_age = age // TICK > 7 * 24 * 3600 * 1_000_000
    over_idle = idle // TICK > 72 * 3600 * 1_000_000
    if revoked or application is INACTIVE:
        expected = InvalidToken.name
    elif opened and not remember_me and (over_age or over_idle):
        expected = SessionExpired.name
    else:
        expected = "good"
    assert verdict(Caller(application, found, revoked)) == expected
