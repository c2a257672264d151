"""Refuse a change that was sent from a page of another origin."""

from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

SAFE_METHODS = frozenset({"GET", "HEAD"})


@web.middleware
async def same_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Accept a change only from a page of the console. Without `Sec-Fetch-Site` and `Origin`, refuse it."""
    if request.method not in SAFE_METHODS and not is_same_origin(request):
        raise web.HTTPForbidden(text="The form was not sent from a page of the console.")
    return await handler(request)


def is_same_origin(request: web.Request) -> bool:
    """Whether `Sec-Fetch-Site` and `Origin`, which pages cannot forge, name the origin of the console."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is None and origin is None:
        return False
    if site not in (None, "same-origin"):
        return False
    return origin is None or (urlsplit(origin).scheme in ("http", "https") and urlsplit(origin).netloc == request.host)
