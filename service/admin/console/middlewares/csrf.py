"""Refuses a change that does not carry the secret of the login it is made with."""

import hmac

from aiohttp import web
from aiohttp.typedefs import Handler

from service.admin import keys
from service.admin.console.forms import read_form
from service.admin.console.middlewares.same_origin import READING

FIELD = "csrf"


@web.middleware
async def csrf(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Compare the form's token with the login's: only a page that was shown to this login knows it."""
    if request.method not in READING and keys.LOGIN in request:
        given = (await read_form(request)).get(FIELD)
        if not hmac.compare_digest(given.encode(), request[keys.LOGIN].csrf.encode()):
            raise web.HTTPForbidden(text="This page is from an earlier login: go back, load it anew and try again.")
    return await handler(request)
