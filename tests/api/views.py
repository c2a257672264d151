"""The expected views of applications and sessions."""

from datetime import datetime, timedelta

import asyncpg

from tests.api.exchange import Body, timestamp
from tests.factories import SessionRecord


async def application_views(connection: asyncpg.Connection, application_id: int) -> dict[str, Body]:
    """Each view of an application, built from its row."""
    row = await connection.fetchrow("SELECT * FROM applications WHERE id = $1", application_id)
    assert row is not None
    default = {"id": row["id"], "slug": row["slug"], "name": row["name"]}
    times = {"created_at": timestamp(row["created_at"]), "updated_at": timestamp(row["updated_at"])}
    return {"default": default, "detailed": default | {"active": True} | times}


async def session_views(connection: asyncpg.Connection, session: SessionRecord, *roles: str) -> dict[str, Body]:
    """Each view of a session that has not been used since its creation, built from its row."""
    row = await connection.fetchrow("SELECT * FROM sessions WHERE id = $1", session.id)
    assert row is not None
    expires_at: datetime = min(row["created_at"] + timedelta(days=7), row["last_used_at"] + timedelta(hours=72))
    default = {
        "id": session.id,
        "token": session.token,
        "application_id": row["application_id"],
        "user_id": session.user_id,
        "remember_me": row["remember_me"],
        "created_at": timestamp(row["created_at"]),
        "last_used_at": timestamp(row["last_used_at"]),
        "expires_at": None if row["remember_me"] else timestamp(expires_at),
    }
    user = {"id": session.user_id, "email": session.email}
    return {"default": default, "detailed": default | {"user": user, "roles": list(roles)}}
