"""The same create with FastAPI and asyncpg, written in their usual way: sequential queries in a transaction.

It does the same checks and the same work, except for what only the service guarantees: an Idempotency-Key, routes that
can be withdrawn, and answers that are always envelopes.
"""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated, Literal

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, Field, StrictInt

TABLES = {
    "Application": "applications",
    "Client": "clients",
    "Employee": "employees",
    "Liaison": "liaisons",
    "Route": "routes",
    "Service": "services",
    "User": "users",
}
View = Literal["default", "detailed"]


class Reference(BaseModel):
    """A row of an association table."""

    type: Literal["Application", "Client", "Employee", "Liaison", "Route", "Service", "User"]
    id: Annotated[StrictInt, Field(ge=1, lt=2**63)]


class CreateRequirement(BaseModel):
    """The params of a create."""

    token: str = Field(min_length=1)
    required: Reference
    requireable: Reference
    key: str | None = Field(None, max_length=255, pattern="^[^\x00]*$")
    value: str | None = Field(None, max_length=4096, pattern="^[^\x00]*$")
    session_view: View | None = None
    application_view: View | None = None


class Requirement(BaseModel):
    """A requirement's record."""

    id: int
    required: Reference
    requireable: Reference
    key: str | None
    value: str | None
    created_at: datetime
    updated_at: datetime


class Answer(BaseModel):
    """The answer to a create."""

    status: str
    message: str
    data: Requirement
    request_id: str


class Caller(BaseModel):
    """The caller of a request."""

    application_id: int | None
    user_id: int | None = None
    session_id: int | None = None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep a pool of connections open."""
    async with asyncpg.create_pool(os.environ["DATABASE_URL"]) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


async def authenticate(connection: PoolConnectionProxy, token: str) -> Caller:
    """Return the caller with this token."""
    application = await connection.fetchrow(
        """
        SELECT applications.id, applications.active, application_tokens.revoked_at
        FROM application_tokens JOIN applications ON applications.id = application_tokens.application_id
        WHERE token_digest = sha256(convert_to($1, 'UTF8'))
        """,
        token,
    )
    if application is None:
        return await authenticate_session(connection, token)
    if application["revoked_at"] is not None or not application["active"]:
        raise HTTPException(401, "invalid-token")
    return Caller(application_id=application["id"])


async def authenticate_session(connection: PoolConnectionProxy, token: str) -> Caller:
    """Return the caller with this session token; record the session's use once a minute."""
    session = await connection.fetchrow(
        """
        SELECT sessions.*, applications.active, now() AS now
        FROM sessions LEFT JOIN applications ON applications.id = sessions.application_id
        WHERE token_digest = sha256(convert_to($1, 'UTF8'))
        """,
        token,
    )
    if session is None or session["revoked_at"] is not None or session["active"] is False:
        raise HTTPException(401, "invalid-token")
    age, idle = session["now"] - session["created_at"], session["now"] - session["last_used_at"]
    if not session["remember_me"] and (age > timedelta(days=7) or idle > timedelta(hours=72)):
        raise HTTPException(401, "session-expired")
    roles = await connection.fetchrow(
        """
        SELECT
            EXISTS (SELECT FROM clients WHERE user_id = $1) AS client,
            EXISTS (SELECT FROM employees WHERE user_id = $1) AS employee,
            EXISTS (SELECT FROM liaisons WHERE user_id = $1) AS liaison
        """,
        session["user_id"],
    )
    if roles is None or not any(roles):
        raise HTTPException(401, "client-required")
    if idle > timedelta(minutes=1):
        await connection.execute("UPDATE sessions SET last_used_at = now() WHERE id = $1", session["id"])
    return Caller(application_id=session["application_id"], user_id=session["user_id"], session_id=session["id"])


async def check_reference(connection: PoolConnectionProxy, name: str, reference: Reference) -> None:
    """Lock the referenced row."""
    query = f"SELECT 1 FROM {TABLES[reference.type]} WHERE id = $1 FOR KEY SHARE"  # noqa: S608 - fixed table names
    if await connection.fetchval(query, reference.id) is None:
        raise HTTPException(400, f"{name}.id does not exist")


@app.post("/api/v1/requirements/create")
async def create(params: CreateRequirement, request: Request) -> Answer:
    """Record a requirement."""
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        caller = await authenticate(connection, params.token)
        await check_reference(connection, "required", params.required)
        await check_reference(connection, "requireable", params.requireable)
        row = await insert(connection, params, caller)
    return Answer(
        status="action-successful",
        message="The requirement is recorded.",
        data=Requirement(required=params.required, requireable=params.requireable, **dict(row)),
        request_id=uuid.uuid4().hex,
    )


async def insert(connection: PoolConnectionProxy, params: CreateRequirement, caller: Caller) -> asyncpg.Record:
    """Insert the row; return the columns that the database sets."""
    rows = await connection.fetch(
        """
        INSERT INTO requirements (
            required_type, required_id, requireable_type, requireable_id, key, value,
            application_id, user_id, session_id
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        RETURNING id, key, value, created_at, updated_at
        """,
        params.required.type,
        params.required.id,
        params.requireable.type,
        params.requireable.id,
        params.key,
        params.value,
        caller.application_id,
        caller.user_id,
        caller.session_id,
    )
    return rows[0]
