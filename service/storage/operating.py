"""What an operator does: the registry, applications, users, sessions, and what has served its purpose."""

import secrets
from datetime import timedelta
from typing import Any

import asyncpg

from service.config import RetentionConfig
from service.database.errors import translate_statement_errors
from service.database.queries import QUERIES
from service.domain.callers import digest

ROLES = ("client", "employee", "liaison")

Rows = list[asyncpg.Record]


async def _rows(connection: asyncpg.Connection, query: str, *args: object) -> Rows:
    with translate_statement_errors():
        return await connection.fetch(query, *args)


async def _id(connection: asyncpg.Connection, query: str, *args: object) -> int | None:
    with translate_statement_errors():
        found: int | None = await connection.fetchval(query, *args)
    return found


async def list_registry(connection: asyncpg.Connection) -> Rows:
    """Every service and its routes."""
    return await _rows(connection, QUERIES["list_registry"])


async def deploy_route(
    connection: asyncpg.Connection, name: tuple[str, str, str], *, sensitive_params: bool | None
) -> None:
    """Deploy a route, given as (service, version, action), and its service; None leaves `sensitive_params` as is."""
    service, version, action = name
    with translate_statement_errors():
        async with connection.transaction():
            service_id = await connection.fetchval(QUERIES["deploy_service"], service)
            await connection.execute(QUERIES["deploy_route"], service_id, version, action, sensitive_params)


async def deploy_service(connection: asyncpg.Connection, service: str) -> None:
    """Deploy a service, making its record where there is none."""
    await _id(connection, QUERIES["deploy_service"], service)


async def withdraw_route(connection: asyncpg.Connection, name: tuple[str, str, str]) -> bool:
    """Withdraw a route, given as (service, version, action); whether there is such a record."""
    return await _id(connection, QUERIES["withdraw_route"], *name) is not None


async def withdraw_service(connection: asyncpg.Connection, service: str) -> bool:
    """Withdraw a service; whether there is such a record."""
    return await _id(connection, QUERIES["withdraw_service"], service) is not None


async def create_application(connection: asyncpg.Connection, slug: str, name: str) -> int | None:
    """The id of the new application, or None if the slug is taken."""
    return await _id(connection, QUERIES["create_application"], slug, name)


async def list_applications(connection: asyncpg.Connection) -> Rows:
    """Every application."""
    return await _rows(connection, QUERIES["list_applications"])


def _new_token() -> str:
    return secrets.token_urlsafe(32)


async def issue_application_token(connection: asyncpg.Connection, slug: str) -> tuple[int, str] | None:
    """The id and the text of a new token, to be shown this once; None if there is no such application."""
    token = _new_token()
    token_id = await _id(connection, QUERIES["issue_application_token"], slug, digest(token))
    return None if token_id is None else (token_id, token)


async def revoke_application_tokens(connection: asyncpg.Connection, slug: str, token_id: int | None) -> int:
    """Revoke one live token of an application, or all of them; how many were."""
    return len(await _rows(connection, QUERIES["revoke_application_tokens"], slug, token_id))


async def set_application_active(connection: asyncpg.Connection, slug: str, *, active: bool) -> bool:
    """Switch an application on or off; whether there is such an application."""
    return await _id(connection, QUERIES["set_application_active"], slug, active) is not None


async def create_user(connection: asyncpg.Connection, email: str) -> int | None:
    """The id of the new user, or None if the address is taken."""
    return await _id(connection, QUERIES["create_user"], email)


async def find_user(connection: asyncpg.Connection, email: str) -> int | None:
    """The id of the user with that address."""
    return await _id(connection, QUERIES["find_user"], email)


async def give_role(connection: asyncpg.Connection, user_id: int, role: str) -> None:
    """Give a user one of `ROLES`; one that it has stays."""
    queries = {
        "client": QUERIES["make_client"],
        "employee": QUERIES["make_employee"],
        "liaison": QUERIES["make_liaison"],
    }
    await _rows(connection, queries[role], user_id)


async def create_session(
    connection: asyncpg.Connection, email: str, application: str | None, *, remember_me: bool
) -> tuple[int, str] | None:
    """The id and token of a new session, the token to be shown this once; None without such a user or application."""
    token = _new_token()
    session_id = await _id(connection, QUERIES["create_session"], email, application, digest(token), remember_me)
    return None if session_id is None else (session_id, token)


async def list_sessions(connection: asyncpg.Connection, email: str | None, limit: int) -> Rows:
    """The latest sessions, of one user where an address is given."""
    return await _rows(connection, QUERIES["list_sessions"], email, limit)


async def revoke_session(connection: asyncpg.Connection, session_id: int) -> bool:
    """Revoke a session; whether there is such a session."""
    return await _id(connection, QUERIES["revoke_session"], session_id) is not None


async def revoke_user_sessions(connection: asyncpg.Connection, email: str) -> int:
    """Revoke every live session of a user; how many there were."""
    return len(await _rows(connection, QUERIES["revoke_user_sessions"], email))


async def purge_sessions(connection: asyncpg.Connection, retention: RetentionConfig) -> int:
    """Delete sessions that ended long ago; how many there were."""
    return await _purge(connection, QUERIES["purge_sessions"], retention.expired_sessions_days)


async def purge_all(connection: asyncpg.Connection, retention: RetentionConfig) -> dict[str, int]:
    """Delete whatever has served its purpose; how many of each there were."""
    return {
        "sessions": await purge_sessions(connection, retention),
        "e-mails": await _purge(connection, QUERIES["purge_emails"], retention.sent_emails_days),
        "notifications": await _purge(connection, QUERIES["purge_notifications"], retention.notifications_days),
    }


async def _purge(connection: asyncpg.Connection, query: str, days: int) -> int:
    return len(await _rows(connection, query, timedelta(days=days)))


def as_dicts(rows: Rows) -> list[dict[str, Any]]:
    """The rows as plain values."""
    return [dict(row) for row in rows]
