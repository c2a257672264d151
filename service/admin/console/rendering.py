"""Pages and parts of pages."""

import aiohttp_jinja2
import structlog
from aiohttp import web

from service.admin import keys
from service.database.errors import DatabaseError
from service.storage.console import MOST_COUNTED, count_unread

SHOWN = "shown"

log = structlog.get_logger()


async def page(request: web.Request, template: str, tab: str, **context: object) -> web.Response:
    """A whole page with its tabs, and once whatever the last change left to tell."""
    login = request[keys.LOGIN]
    note = login.take(request.query.get(SHOWN, ""))
    unread = await unread_label(request)
    shared = {"tab": tab, "login": login, "note": note, "unread": unread}
    return aiohttp_jinja2.render_template(template, request, context | shared)


def part(request: web.Request, template: str, **context: object) -> web.Response:
    """A part of a page, to take the place of what is shown."""
    login = request[keys.LOGIN]
    return aiohttp_jinja2.render_template(template, request, {**context, "login": login})


def error_page(request: web.Request, code: int, sentence: str) -> web.Response:
    """A page that tells what went wrong without asking the database anything."""
    context = {
        "tab": None,
        "login": request.get(keys.LOGIN),
        "note": None,
        "unread": None,
        "sentence": sentence,
        "code": code,
        "request_id": request[keys.REQUEST_ID],
    }
    return aiohttp_jinja2.render_template("error.html", request, context, status=code)


async def unread_label(request: web.Request) -> str | None:
    """How many notifications are unread, as the tab tells it; None where the database does not answer."""
    try:
        unread = await count_unread(request.config_dict[keys.DATABASE])
    except DatabaseError as error:
        log.warning("console-database-failed", kind=type(error).__name__, reason=str(error))
        return None
    return f"{MOST_COUNTED - 1}+" if unread >= MOST_COUNTED else str(unread)
