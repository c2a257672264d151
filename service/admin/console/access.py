"""The Applications & sessions tab."""

from aiohttp import web

from service.admin import keys
from service.admin.console.forms import read_query
from service.admin.console.rendering import page
from service.storage import applications, sessions

TAB = "access"
ADDRESS = "/console/access"

# The rows of each of the two lists. Short lists, so that the second one and the forms are in reach.
SIZE = 20


async def show(request: web.Request) -> web.Response:
    """One page of applications and one page of sessions, each with its own paging."""
    database, query = request.config_dict[keys.DATABASE], read_query(request)
    email = query.optional("user")
    return await page(
        request,
        "access.html",
        TAB,
        applications=await applications.list_applications(database, query.get("after"), SIZE),
        sessions=await sessions.list_sessions(database, query.before(), email, SIZE),
        user=email or "",
        after=query.get("after"),
        before=query.get("before"),
    )


ROUTES = (web.get("/access", show),)
