"""The caller of a request: the result of a token look-up, and the refusal or the caller that follows from it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from service.domain.statuses import ClientRequired, InvalidToken, Refusal, SessionExpired


class Application(NamedTuple):
    """The record of an application."""

    id: int
    slug: str
    name: str
    active: bool
    created_at: datetime
    updated_at: datetime


class Session(NamedTuple):
    """A session before this use of it, and its user.

    `expires_at` is when the session ends if it is not used again; None if it never ends. A session that was read in
    short has neither `email` nor `roles`.
    """

    id: int
    user_id: int
    email: str | None
    roles: Sequence[str] | None
    remember_me: bool
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime | None
    application_id: int | None = None


class Caller(NamedTuple):
    """The application or the session that a token belongs to.

    For an application token, `session` is None. For a session token, `application` is the one that the session was
    opened in, if any and if its record was read. `sees_all` is whether the caller sees the requirements of other users.
    """

    application: Application | None
    session: Session | None
    sees_all: bool


class TokenLookup(NamedTuple):
    """The database's verdict on a token.

    `now` is the database's clock. `refusal` is the name of the status that refuses the token; None if it is valid.
    `caller` holds the records found for the token. For a new requirement whose answer shows none of them, they are only
    the session, in short.
    """

    now: datetime
    refusal: str | None
    caller: Caller


class Viewer(NamedTuple):
    """Which records a caller may see: all of them, or only those that the user `user_id` created."""

    sees_all: bool
    user_id: int | None


_REFUSALS: Mapping[str, type[Refusal]] = {
    status.name: status for status in (InvalidToken, SessionExpired, ClientRequired)
}


def digest(token: str) -> bytes:
    """The SHA-256 digest that the tables store for a token."""
    # A token may be any JSON string. A lone surrogate has no UTF-8 form, but must still be an unknown token.
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def refusal_of(lookup: TokenLookup) -> type[Refusal] | None:
    """The status that refuses the token: `InvalidToken`, `SessionExpired` or `ClientRequired`. None if it is valid.

    The rules are in sql/queries/tokens.sql, because they compare times on the database's clock.
    """
    return None if lookup.refusal is None else _REFUSALS[lookup.refusal]


def viewer_of(caller: Caller, clients_see: str) -> Viewer:
    """The records that `caller` may see; all of them if `clients_see` (setting `requirements.clients_see`) is "all"."""
    sees_all = caller.sees_all or clients_see == "all"
    return Viewer(sees_all, None if sees_all or caller.session is None else caller.session.user_id)
