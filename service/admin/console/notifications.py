"""The Notifications tab: errors of the service, newest first, updated while the page is open."""

import contextlib
import hashlib

from aiohttp import web
from yarl import URL

from service.admin import keys
from service.admin.console.audit_trail import back_to, changing
from service.admin.console.details import read_details
from service.admin.console.forms import ID_IN_PATH, Form, identifier, read_form, read_query
from service.admin.console.rendering import page, part, unread_label
from service.storage import notifications
from service.storage.pages import Page

TAB = "notifications"
ADDRESS = "/console/notifications"

Context = dict[str, object]


class _AlreadyAcknowledgedError(Exception):
    """Rolls back the change, so that the audit gets no row."""


async def show(request: web.Request) -> web.Response:
    """One page of notifications."""
    context = await _context(request, read_query(request))
    context["kinds"] = await notifications.list_notification_kinds(request.config_dict[keys.DATABASE])
    return await page(request, "notifications.html", TAB, **context)


async def show_list(request: web.Request) -> web.Response:
    """The list, for the updates of an open page; 204 if it has not changed."""
    query = read_query(request)
    context = await _context(request, query)
    if context["version"] == query.get("version"):
        return web.Response(status=204)
    return part(request, "_notifications.html", **context)


async def show_unread(request: web.Request) -> web.Response:
    """The number of unread notifications; 204 if it has not changed."""
    unread = await unread_label(request)
    if unread == request.query.get("seen"):
        return web.Response(status=204)
    return part(request, "_unread.html", unread=unread)


async def show_one(request: web.Request) -> web.Response:
    """One notification with its details."""
    database = request.config_dict[keys.DATABASE]
    row = await notifications.find_notification(database, identifier(request.match_info["id"]))
    if row is None:
        raise web.HTTPNotFound
    return await page(request, "notification.html", TAB, row=row, details=read_details(row["details"]))


async def acknowledge(request: web.Request) -> web.StreamResponse:
    """Acknowledge one notification. If it is already acknowledged, nothing changes and the audit gets no row."""
    form = await read_form(request)
    number = identifier(request.match_info["id"])
    if await notifications.find_notification(request.config_dict[keys.DATABASE], number) is None:
        raise web.HTTPNotFound
    with contextlib.suppress(_AlreadyAcknowledgedError):
        async with changing(request, "acknowledge notification", {"id": number}) as connection:
            if not await notifications.acknowledge(connection, [number]):
                raise _AlreadyAcknowledgedError
    if "HX-Request" in request.headers:
        return part(request, "_notifications.html", **await _context(request, form))
    raise back_to(request, _address(form), f"Acknowledged notification {number}.")


async def acknowledge_all(request: web.Request) -> web.StreamResponse:
    """Acknowledge all unread notifications of the selected kind, up to the newest one on the page."""
    form = await read_form(request)
    until, kind = form.number("until"), form.get("kind") or None
    if until is None:
        raise web.HTTPBadRequest(text="The form must name the newest notification that it acknowledges.")
    details = {"until": until, "kind": kind}
    async with changing(request, "acknowledge notifications", details) as connection:
        details["count"] = count = await notifications.acknowledge_all(connection, until, kind)
    raise back_to(request, _address(form), f"Acknowledged {count} notification{'' if count == 1 else 's'}.")


def _address(form: Form) -> str:
    """The address of the list with the same filter."""
    filters = {name: form.get(name) for name in ("kind", "unread", "before") if form.get(name)}
    return str(URL(ADDRESS).with_query(filters))


async def _context(request: web.Request, form: Form) -> Context:
    kind, unread = form.get("kind"), form.get("unread") == "1"
    rows = await notifications.list_notifications(
        request.config_dict[keys.DATABASE], form.before(), kind or None, unread=unread
    )
    filters = {"kind": kind, "unread": "1" if unread else "", "before": form.get("before").strip()}
    return {"rows": rows, "filters": filters, "version": _version(rows)}


def _version(shown: Page) -> str:
    """A hash of everything in the list that can change."""
    rows = [(row["id"], row["count"], row["acknowledged_at"] is None) for row in shown.rows]
    return hashlib.sha256(repr((rows, shown.next)).encode()).hexdigest()[:16]


ROUTES = (
    web.get("/notifications", show),
    web.get("/notifications/list", show_list),
    web.get("/unread", show_unread),
    web.get(f"/notifications/{ID_IN_PATH}", show_one),
    web.post("/notifications/acknowledge", acknowledge_all),
    web.post(f"/notifications/{ID_IN_PATH}/acknowledge", acknowledge),
)
