"""Require a login for every page but the login form and the static files."""

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from service.admin import keys

COOKIE = "console_session"
LOGIN = "/console/login"

# The names of the routes that need no login. Every other path needs one, also a path that does not exist.
OPEN_ROUTES = frozenset({"login", "log_in", "asset"})


@web.middleware
async def logged_in(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Put the login of the cookie into the request. Without one, redirect to the login form."""
    polling = "HX-Request" in request.headers and request.method == "GET"
    # Requests by an open page are no activity of the operator, so they do not extend the login.
    login = request.config_dict[keys.LOGINS].find(request.cookies.get(COOKIE, ""), used=not polling)
    if login is not None:
        request[keys.LOGIN] = login
    elif request.match_info.route.name not in OPEN_ROUTES:
        return _login_required(request)
    return await handler(request)


def _login_required(request: web.Request) -> web.StreamResponse:
    if "HX-Request" in request.headers:
        return web.Response(status=401, headers={"HX-Redirect": LOGIN})
    target = URL(LOGIN)
    if request.method == "GET" and request.match_info.http_exception is None:
        target = target.with_query(next=request.path_qs)
    raise web.HTTPSeeOther(target)
