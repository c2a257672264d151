"""Sessions of users."""

import asyncpg

from service.database.queries import QUERIES
from service.domain.callers import digest
from service.storage.pages import LAST_ID, PAGE_SIZE, Page, page_of
from service.storage.statements import Executor, fetch, fetch_id
from service.storage.token_text import new_token


async def create_session(
    connection: asyncpg.Connection, email: str, application: str | None, *, remember_me: bool
) -> tuple[int, str] | None:
    """Open a session. Return its id and its token, or None if the user or the application does not exist.

    `application` is the slug of the application that the session is opened in. Only the digest of the token is stored:
    it cannot be read again.
    """
    token = new_token()
    session_id = await fetch_id(connection, QUERIES["create_session"], email, application, digest(token), remember_me)
    return None if session_id is None else (session_id, token)


async def list_sessions(
    executor: Executor, before: int = LAST_ID, email: str | None = None, size: int = PAGE_SIZE
) -> Page:
    """The sessions before an id, newest first; only those of one user if `email` is given."""
    if email is None:
        rows = await fetch(executor, QUERIES["list_sessions"], before, size + 1)
    else:
        rows = await fetch(executor, QUERIES["list_sessions_of_user"], before, size + 1, email)
    return page_of(rows, "id", size)


async def revoke_session(connection: asyncpg.Connection, session_id: int) -> bool:
    """Revoke a session. Return whether it exists; a session that is already revoked counts."""
    return await fetch_id(connection, QUERIES["revoke_session"], session_id) is not None


async def revoke_user_sessions(connection: asyncpg.Connection, email: str) -> int:
    """Revoke every live session of a user. Return how many were revoked."""
    return len(await fetch(connection, QUERIES["revoke_user_sessions"], email))
