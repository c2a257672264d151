"""The Applications & sessions tab."""

from aiohttp import web

from service.admin import keys
from service.admin.console.forms import read_query
from service.admin.console.rendering import page
from service.storage import applications, sessions
from service.storage.pages import LAST_ID

TAB = "access"
ADDRESS = "/console/access"


async def show(request: web.Request) -> web.Response:
    """One page of applications and one page of sessions, each with its own paging."""
    database, query = request.config_dict[keys.DATABASE], read_query(request)
    email = query.optional("user")
    return await page(
        request,
        "access.html",
        TAB,
        applications=await applications.list_applications(database, query.get("after")),
        sessions=await sessions.list_sessions(database, query.number("before") or LAST_ID, email),
        user=email or "",
        after=query.get("after"),
        before=query.get("before"),
    )


ROUTES = (web.get("/access", show),)
