"""Applications and their tokens."""

import asyncpg

from service.database.queries import QUERIES
from service.domain.callers import digest
from service.storage.pages import PAGE_SIZE, Page, page_of
from service.storage.statements import Executor, Rows, fetch, fetch_first, fetch_id
from service.storage.token_text import new_token


async def create_application(connection: asyncpg.Connection, slug: str, name: str) -> int | None:
    """Create an application. Return its id, or None if the slug is taken."""
    return await fetch_id(connection, QUERIES["create_application"], slug, name)


async def list_applications(executor: Executor, after: str = "", size: int | None = PAGE_SIZE) -> Page:
    """The applications whose slug follows `after`, in the order of their slugs; `size` None returns all of them."""
    limit = None if size is None else size + 1
    return page_of(await fetch(executor, QUERIES["list_applications"], after, limit), "slug", size)


async def find_application(executor: Executor, application_id: int) -> asyncpg.Record | None:
    """One application, or None if it does not exist."""
    return await fetch_first(executor, QUERIES["find_application"], application_id)


async def set_application_active(connection: asyncpg.Connection, slug: str, *, active: bool) -> bool:
    """Activate or deactivate an application. Return whether it exists."""
    return await fetch_id(connection, QUERIES["set_application_active"], slug, active) is not None


async def issue_application_token(connection: asyncpg.Connection, slug: str) -> tuple[int, str] | None:
    """Issue a token. Return its id and its text, or None if the application does not exist.

    Only the digest of the text is stored: it cannot be read again.
    """
    token = new_token()
    token_id = await fetch_id(connection, QUERIES["issue_application_token"], slug, digest(token))
    return None if token_id is None else (token_id, token)


async def list_application_tokens(executor: Executor, application_id: int) -> Rows:
    """The latest `PAGE_SIZE` tokens of an application, live ones first."""
    return await fetch(executor, QUERIES["list_application_tokens"], application_id, PAGE_SIZE)


async def revoke_application_tokens(connection: asyncpg.Connection, slug: str, token_id: int | None) -> int:
    """Revoke one live token of an application, or all of them if `token_id` is None. Return how many were revoked."""
    return len(await fetch(connection, QUERIES["revoke_application_tokens"], slug, token_id))
