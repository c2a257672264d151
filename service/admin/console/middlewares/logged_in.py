"""Lets nobody in who has not given the password."""

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from service.admin import keys

COOKIE = "console_session"
LOGIN = "/console/login"

# The names of what anyone may see: all else wants a login, also an address that does not exist.
OPEN_ROUTES = frozenset({"login", "enter", "asset"})


@web.middleware
async def logged_in(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find the login that the cookie names; without one only the way in is open."""
    polling = "HX-Request" in request.headers and request.method == "GET"
    # A tab that was left open asks by itself: that is no use by a person.
    login = request.config_dict[keys.LOGINS].find(request.cookies.get(COOKIE, ""), used=not polling)
    if login is not None:
        request[keys.LOGIN] = login
    elif request.match_info.route.name not in OPEN_ROUTES:
        return _turned_away(request)
    return await handler(request)


def _turned_away(request: web.Request) -> web.StreamResponse:
    if "HX-Request" in request.headers:
        return web.Response(status=401, headers={"HX-Redirect": LOGIN})
    target = URL(LOGIN)
    if request.method == "GET" and request.match_info.http_exception is None:
        target = target.with_query(next=request.path_qs)
    raise web.HTTPSeeOther(target)
