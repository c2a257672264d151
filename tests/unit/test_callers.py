"""Which records a caller may see."""

from datetime import UTC, datetime

import pytest

from service.domain.callers import Application, Caller, Session, Viewer, viewer_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)
APPLICATION = Caller(Application(1, "shop", "Shop", active=True, created_at=NOW, updated_at=NOW), None)


def session(*roles: str) -> Caller:
    """The caller of a session token: user 5, with these roles."""
    return Caller(None, Session(1, 5, "user@example.com", roles, False, NOW, NOW, NOW))  # noqa: FBT003


@pytest.mark.parametrize("caller", [APPLICATION, session("employee"), session("client", "liaison")])
def test_who_sees_all_records(caller: Caller) -> None:
    """Applications, employees and liaisons see all records, also those who are clients besides."""
    assert viewer_of(caller, "own") == Viewer(sees_all=True, user_id=None)


def test_a_client_sees_its_own_records() -> None:
    """A user who is only a client sees the records that this user created, unless the setting says all."""
    assert viewer_of(session("client"), "own") == Viewer(sees_all=False, user_id=5)
    assert viewer_of(session("client"), "all") == Viewer(sees_all=True, user_id=None)
