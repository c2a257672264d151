"""Refuse a change without the CSRF token of the login."""

import hmac

from aiohttp import web
from aiohttp.typedefs import Handler

from service.admin import keys
from service.admin.console.forms import read_form
from service.admin.console.middlewares.same_origin import SAFE_METHODS

FIELD = "csrf"


@web.middleware
async def csrf(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Compare the token of the form with the token of the login."""
    if request.method not in SAFE_METHODS and keys.LOGIN in request:
        given = (await read_form(request)).get(FIELD)
        if not hmac.compare_digest(given.encode(), request[keys.LOGIN].csrf.encode()):
            raise web.HTTPForbidden(text="This page is from an earlier login. Go back, reload the page and try again.")
    return await handler(request)
