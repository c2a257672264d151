"""The views of a session and an application in answers. Fields may be added to a view, never removed."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from service.domain.callers import Application, Caller, Session

View = dict[str, Any]


# All rows that one statement writes have the same time.
@lru_cache(maxsize=64)
def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds, such as 2026-11-23T10:00:00.123456Z."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _session_default(session: Session, token: str) -> View:
    return {
        "id": session.id,
        "token": token,
        "application_id": session.application_id,
        "user_id": session.user_id,
        "remember_me": session.remember_me,
        "created_at": timestamp(session.created_at),
        "last_used_at": timestamp(session.last_used_at),
        "expires_at": timestamp(session.expires_at) if session.expires_at else None,
    }


def _session_detailed(session: Session, token: str) -> View:
    assert session.roles is not None  # noqa: S101 - a call that asks for a view has the session read in full
    return _session_default(session, token) | {
        "user": {"id": session.user_id, "email": session.email},
        "roles": list(session.roles),
    }


def _application_default(application: Application) -> View:
    return {"id": application.id, "slug": application.slug, "name": application.name}


def _application_detailed(application: Application) -> View:
    return _application_default(application) | {
        "active": application.active,
        "created_at": timestamp(application.created_at),
        "updated_at": timestamp(application.updated_at),
    }


SESSION_VIEWS: Mapping[str, Callable[[Session, str], View]] = {
    "default": _session_default,
    "detailed": _session_detailed,
}
APPLICATION_VIEWS: Mapping[str, Callable[[Application], View]] = {
    "default": _application_default,
    "detailed": _application_detailed,
}


def session_view(caller: Caller, token: str, view: str) -> View | None:
    """The caller's session in `view`, with the `token` that was sent. None for an application token."""
    return None if caller.session is None else SESSION_VIEWS[view](caller.session, token)


def application_view(caller: Caller, view: str) -> View | None:
    """The caller's application in `view`. None if the session was not opened in one."""
    return None if caller.application is None else APPLICATION_VIEWS[view](caller.application)


def requested_views(caller: Caller, token: str, params: Mapping[str, Any]) -> dict[str, View | None]:
    """The views that the params `session_view` and `application_view` ask for, by their names in the envelope."""
    views: dict[str, View | None] = {}
    if params["session_view"] is not None:
        views["session"] = session_view(caller, token, params["session_view"])
    if params["application_view"] is not None:
        views["application"] = application_view(caller, params["application_view"])
    return views
