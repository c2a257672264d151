"""Render pages and parts of pages."""

import aiohttp_jinja2
import structlog
from aiohttp import web

from service.admin import keys
from service.database.errors import DatabaseError
from service.storage.notifications import MOST_COUNTED, count_unread

# The query parameter with the id of the flash message.
MESSAGE = "shown"

log = structlog.get_logger()


async def page(request: web.Request, template: str, tab: str, **context: object) -> web.Response:
    """A whole page, with the flash message of the last change. `tab` is the current tab."""
    login = request[keys.LOGIN]
    # HEAD shows nothing to anybody, so it does not use up the message.
    take = login.message if request.method == "HEAD" else login.pop_message
    message = take(request.query.get(MESSAGE, ""))
    unread = await unread_label(request)
    shared = {"tab": tab, "login": login, "message": message, "unread": unread}
    return aiohttp_jinja2.render_template(template, request, context | shared)


def part(request: web.Request, template: str, **context: object) -> web.Response:
    """A part of a page, for an update of an open page."""
    login = request[keys.LOGIN]
    return aiohttp_jinja2.render_template(template, request, {**context, "login": login})


def error_page(request: web.Request, code: int, text: str) -> web.Response:
    """An error page. It does not query the database."""
    context = {
        "tab": None,
        "login": request.get(keys.LOGIN),
        "message": None,
        "unread": None,
        "text": text,
        "code": code,
        "request_id": request[keys.REQUEST_ID],
    }
    return aiohttp_jinja2.render_template("error.html", request, context, status=code)


async def unread_label(request: web.Request) -> str | None:
    """The number of unread notifications as the tab shows it; None if the database does not answer."""
    try:
        unread = await count_unread(request.config_dict[keys.DATABASE])
    except DatabaseError as error:
        log.warning("console-database-failed", kind=type(error).__name__, reason=str(error))
        return None
    return f"{MOST_COUNTED - 1}+" if unread >= MOST_COUNTED else str(unread)
