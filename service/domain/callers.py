"""Who calls: what was found behind a token, and the verdict on it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from service.domain.statuses import ClientRequired, InvalidToken, Refusal, SessionExpired


class Application(NamedTuple):
    """An application as its record says."""

    id: int
    slug: str
    name: str
    active: bool
    created_at: datetime
    updated_at: datetime


class Session(NamedTuple):
    """A session as found, before this use of it, and the user it belongs to.

    `expires_at` is when it ends unless it is used again; None if it never does.
    """

    id: int
    user_id: int
    email: str
    roles: Sequence[str]
    remember_me: bool
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime | None


class Caller(NamedTuple):
    """The application or the session that a token belongs to.

    With an application's token `session` is None. With a session's token `application` is the one that the session
    was opened in, if any.
    """

    application: Application | None
    session: Session | None


class TokenLookup(NamedTuple):
    """What the database says of a token: at what time, why it is refused, if it is, and whose it is, if anyone's."""

    now: datetime
    refusal: str | None
    caller: Caller


# What the database calls them is what callers are told.
_REFUSALS: Mapping[str, type[Refusal]] = {status.name: status for status in (InvalidToken, SessionExpired)}


class RoleMissing(Exception):
    """A live session of a user who holds no role yet: to be told as `ClientRequired`, with the session."""

    def __init__(self, caller: Caller) -> None:
        super().__init__("the user holds no role")
        self.caller = caller


def digest(token: str) -> bytes:
    """What is stored of a token, and looked up by."""
    # A lone surrogate is no UTF-8, but a token may hold anything: it is then simply one that nobody owns.
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def admit(found: TokenLookup) -> Caller:
    """The caller, where the token is good.

    Raises `InvalidToken` (unknown, revoked, or of an inactive application), `SessionExpired` or `RoleMissing`. The
    rules are the database's, whose clock it is: sql/queries/callers.sql.
    """
    if found.refusal is None:
        return found.caller
    if found.refusal == ClientRequired.name:
        raise RoleMissing(found.caller)
    raise _REFUSALS[found.refusal]
