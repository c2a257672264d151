"""Which records a caller may see."""

from datetime import UTC, datetime

import pytest

from service.domain.callers import Application, Caller, Session, Viewer, viewer_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)
APPLICATION = Caller(Application(1, "shop", "Shop", active=True, created_at=NOW, updated_at=NOW), None, sees_all=True)


def session(*, sees_all: bool) -> Caller:
    """The caller of a session token: user 5."""
    return Caller(None, Session(1, 5, "user@example.com", (), False, NOW, NOW, NOW), sees_all)  # noqa: FBT003


@pytest.mark.parametrize("caller", [APPLICATION, session(sees_all=True)])
def test_who_sees_all_records(caller: Caller) -> None:
    """A caller whose token look-up says so sees all records."""
    assert viewer_of(caller, "own") == Viewer(sees_all=True, user_id=None)


def test_a_client_sees_its_own_records() -> None:
    """A user who is only a client sees the records that this user created, unless the setting says all."""
    assert viewer_of(session(sees_all=False), "own") == Viewer(sees_all=False, user_id=5)
    assert viewer_of(session(sees_all=False), "all") == Viewer(sees_all=True, user_id=None)
