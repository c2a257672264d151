"""Who calls: the credential found for a token, and the judgement of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from service.errors import InvalidToken, SessionExpired

# The page of the API: a session lasts seven days, and ends when it is not used for 72 hours.
MAX_AGE = timedelta(days=7)
MAX_IDLE = timedelta(hours=72)


class Application(NamedTuple):
    """An application as its record says."""

    id: int
    slug: str
    name: str
    active: bool
    created_at: datetime
    updated_at: datetime


class Session(NamedTuple):
    """A session as found, before this use of it, and the user it belongs to."""

    id: int
    user_id: int
    email: str
    roles: Sequence[str]
    remember_me: bool
    created_at: datetime
    last_used_at: datetime

    @property
    def expires_at(self) -> datetime | None:
        """When it ends unless it is used again; None if it never does."""
        if self.remember_me:
            return None
        return min(self.created_at + MAX_AGE, self.last_used_at + MAX_IDLE)


class Caller(NamedTuple):
    """The application or the session that a token belongs to.

    With an application's token `session` is None. With a session's token `application` is the one that the session
    was opened in, if any.
    """

    application: Application | None
    session: Session | None
    revoked: bool


def judge(caller: Caller | None, now: datetime) -> Caller:
    """The caller, if its token is good at `now`, which is the database's clock.

    Raises `InvalidToken` (unknown, revoked, or of an inactive application) or `SessionExpired`. That a user holds
    no role is not judged here: such a session is live.
    """
    if caller is None or caller.revoked:
        raise InvalidToken
    if caller.application is not None and not caller.application.active:
        raise InvalidToken
    session = caller.session
    if session is not None and session.expires_at is not None and now > session.expires_at:
        raise SessionExpired
    return caller
