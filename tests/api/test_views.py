"""The views of a session and an application that a success shows when it is asked to."""

from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests.api.exchange import Body, post_create, success, timestamp
from tests.conftest import Client
from tests.factories import AppRecord, Records, SessionRecord, params


async def application_views(connection: asyncpg.Connection, application_id: int) -> dict[str, Body]:
    """What each view shows of an application, from its row."""
    row = await connection.fetchrow("SELECT * FROM applications WHERE id = $1", application_id)
    assert row is not None
    default = {"id": row["id"], "slug": row["slug"], "name": row["name"]}
    times = {"created_at": timestamp(row["created_at"]), "updated_at": timestamp(row["updated_at"])}
    return {"default": default, "detailed": default | {"active": True} | times}


async def session_views(connection: asyncpg.Connection, session: SessionRecord, *roles: str) -> dict[str, Body]:
    """What each view shows of a session that was not used since it was made, from its row."""
    row = await connection.fetchrow("SELECT * FROM sessions WHERE id = $1", session.id)
    assert row is not None
    ends: datetime = min(row["created_at"] + timedelta(days=7), row["last_used_at"] + timedelta(hours=72))
    default = {
        "id": session.id,
        "token": session.token,
        "application_id": row["application_id"],
        "user_id": session.user_id,
        "remember_me": row["remember_me"],
        "created_at": timestamp(row["created_at"]),
        "last_used_at": timestamp(row["last_used_at"]),
        "expires_at": None if row["remember_me"] else timestamp(ends),
    }
    user = {"id": session.user_id, "email": session.email}
    return {"default": default, "detailed": default | {"user": user, "roles": list(roles)}}


async def told(client: Client, records: Records, token: str, user_id: int, asked: dict[str, Any]) -> Body:
    """What a success shows beside the record when these views are asked for."""
    answer = await post_create(client, params(token, user_id, **asked))
    row = await records.connection.fetchrow("SELECT * FROM requirements")
    assert row is not None
    views = {name: view for name, view in answer.body.items() if name in ("session", "application")}
    assert answer.code_and_body == success(row, **views)
    return views


@pytest.mark.parametrize("asked", [{}, {"session_view": None}, {"application_view": None, "session_view": None}])
async def test_no_view_is_shown_unasked(client: Client, records: Records, asked: dict[str, Any]) -> None:
    """A view that is null is as one not passed: the answer has no such key."""
    session = await records.session()
    assert await told(client, records, session.token, session.user_id, asked) == {}


@pytest.mark.parametrize("view", ["default", "detailed"])
async def test_session_view(client: Client, records: Records, application: AppRecord, view: str) -> None:
    """A session is shown in the view that was asked for, alone."""
    session = await records.session("liaison", "client", "employee", application_id=application.id)
    views = await session_views(records.connection, session, "client", "employee", "liaison")
    shown = await told(client, records, session.token, session.user_id, {"session_view": view})
    assert shown == {"session": views[view]}


@pytest.mark.parametrize("view", ["default", "detailed"])
async def test_application_view_of_an_application_token(
    client: Client, records: Records, application: AppRecord, user_id: int, view: str
) -> None:
    """An application is shown in the view that was asked for, alone."""
    views = await application_views(records.connection, application.id)
    shown = await told(client, records, application.token, user_id, {"application_view": view})
    assert shown == {"application": views[view]}


@pytest.mark.parametrize("view", ["default", "detailed"])
async def test_application_view_of_a_session_token(
    client: Client, records: Records, application: AppRecord, view: str
) -> None:
    """With a session token the application shown is the one that the session was opened in."""
    session = await records.session(application_id=application.id)
    views = await application_views(records.connection, application.id)
    shown = await told(client, records, session.token, session.user_id, {"application_view": view})
    assert shown == {"application": views[view]}


@pytest.mark.parametrize("view", ["default", "detailed"])
async def test_an_application_token_has_no_session(
    client: Client, records: Records, application: AppRecord, user_id: int, view: str
) -> None:
    """With an application token the session asked for is null, not absent."""
    views = await application_views(records.connection, application.id)
    asked = {"session_view": view, "application_view": "default"}
    shown = await told(client, records, application.token, user_id, asked)
    assert shown == {"session": None, "application": views["default"]}


@pytest.mark.parametrize("view", ["default", "detailed"])
async def test_a_session_without_an_application(client: Client, records: Records, view: str) -> None:
    """A session opened in no application shows null for one, and so does its application_id."""
    session = await records.session()
    views = await session_views(records.connection, session, "client")
    asked = {"session_view": "default", "application_view": view}
    shown = await told(client, records, session.token, session.user_id, asked)
    assert shown == {"session": views["default"], "application": None}
    assert shown["session"]["application_id"] is None


@pytest.mark.parametrize(
    ("age", "idle"),
    [(timedelta(0), timedelta(0)), (timedelta(days=6), timedelta(0)), (timedelta(days=3), timedelta(hours=71))],
)
async def test_expires_at_is_the_earlier_limit(
    client: Client, records: Records, age: timedelta, idle: timedelta
) -> None:
    """expires_at is counted from the session as found: seven days old, or 72 hours unused, whichever is first."""
    session = await records.session(age=age, idle=idle)
    views = await session_views(records.connection, session, "client")
    shown = await told(client, records, session.token, session.user_id, {"session_view": "detailed"})
    assert shown == {"session": views["detailed"]}


async def test_a_remembered_session_never_expires(client: Client, records: Records) -> None:
    """With remember_me there is no expires_at, however old the session is."""
    session = await records.session(remember_me=True, age=timedelta(days=700), idle=timedelta(days=600))
    views = await session_views(records.connection, session, "client")
    shown = await told(client, records, session.token, session.user_id, {"session_view": "default"})
    assert shown == {"session": views["default"]}
    assert shown["session"]["expires_at"] is None
