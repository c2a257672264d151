"""The views of the session and the application in a successful response."""

from datetime import timedelta
from typing import Any

import pytest

from tests.api.exchange import Body, post_create, success
from tests.api.views import application_views, session_views
from tests.conftest import Client
from tests.factories import AppRecord, Records, params


async def views_in_response(
    client: Client, records: Records, token: str, user_id: int, changes: dict[str, Any]
) -> Body:
    """Send a create with these view params; return the views in the response."""
    response = await post_create(client, params(token, user_id, **changes))
    row = await records.connection.fetchrow("SELECT * FROM requirements")
    assert row is not None
    views = {name: view for name, view in response.body.items() if name in ("session", "application")}
    assert response.code_and_body == success(row, **views)
    return views


@pytest.mark.parametrize("changes", [{}, {"session_view": None}, {"application_view": None, "session_view": None}])
async def test_no_view_is_shown_by_default(client: Client, records: Records, changes: dict[str, Any]) -> None:
    """A view that is absent or null is not in the response."""
    session = await records.session()
    assert await views_in_response(client, records, session.token, session.user_id, changes) == {}


@pytest.mark.parametrize("view", ["default", "detailed"])
async def test_session_view(client: Client, records: Records, application: AppRecord, view: str) -> None:
    """The session is shown in the requested view, without the application."""
    session = await records.session("liaison", "client", "employee", application_id=application.id)
    views = await session_views(records.connection, session, "client", "employee", "liaison")
    shown = await views_in_response(client, records, session.token, session.user_id, {"session_view": view})
    assert shown == {"session": views[view]}


@pytest.mark.parametrize("view", ["default", "detailed"])
async def test_application_view_of_an_application_token(
    client: Client, records: Records, application: AppRecord, user_id: int, view: str
) -> None:
    """The application is shown in the requested view, without the session."""
    views = await application_views(records.connection, application.id)
    shown = await views_in_response(client, records, application.token, user_id, {"application_view": view})
    assert shown == {"application": views[view]}


@pytest.mark.parametrize("view", ["default", "detailed"])
async def test_application_view_of_a_session_token(
    client: Client, records: Records, application: AppRecord, view: str
) -> None:
    """With a session token the application is the one that the session was opened in."""
    session = await records.session(application_id=application.id)
    views = await application_views(records.connection, application.id)
    shown = await views_in_response(client, records, session.token, session.user_id, {"application_view": view})
    assert shown == {"application": views[view]}


@pytest.mark.parametrize("view", ["default", "detailed"])
async def test_an_application_token_has_no_session(
    client: Client, records: Records, application: AppRecord, user_id: int, view: str
) -> None:
    """With an application token a requested session is null."""
    views = await application_views(records.connection, application.id)
    changes = {"session_view": view, "application_view": "default"}
    shown = await views_in_response(client, records, application.token, user_id, changes)
    assert shown == {"session": None, "application": views["default"]}


@pytest.mark.parametrize("view", ["default", "detailed"])
async def test_a_session_without_an_application(client: Client, records: Records, view: str) -> None:
    """With a session opened in no application a requested application is null, and so is application_id."""
    session = await records.session()
    views = await session_views(records.connection, session, "client")
    changes = {"session_view": "default", "application_view": view}
    shown = await views_in_response(client, records, session.token, session.user_id, changes)
    assert shown == {"session": views["default"], "application": None}
    assert shown["session"]["application_id"] is None


@pytest.mark.parametrize(
    ("age", "idle"),
    [(timedelta(0), timedelta(0)), (timedelta(days=6), timedelta(0)), (timedelta(days=3), timedelta(hours=71))],
)
async def test_expires_at_is_the_earlier_limit(
    client: Client, records: Records, age: timedelta, idle: timedelta
) -> None:
    """expires_at is the earlier of seven days after creation and 72 hours after the last use."""
    session = await records.session(age=age, idle=idle)
    views = await session_views(records.connection, session, "client")
    shown = await views_in_response(client, records, session.token, session.user_id, {"session_view": "detailed"})
    assert shown == {"session": views["detailed"]}


async def test_a_remembered_session_never_expires(client: Client, records: Records) -> None:
    """With remember_me expires_at is null, however old the session is."""
    session = await records.session(remember_me=True, age=timedelta(days=700), idle=timedelta(days=600))
    views = await session_views(records.connection, session, "client")
    shown = await views_in_response(client, records, session.token, session.user_id, {"session_view": "default"})
    assert shown == {"session": views["default"]}
    assert shown["session"]["expires_at"] is None
