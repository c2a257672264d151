"""Refuses a change that a page of somebody else's makes a browser send."""

from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

READING = frozenset({"GET", "HEAD"})


@web.middleware
async def same_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Take changes only from our own pages, as the browser tells; one that tells nothing is refused."""
    if request.method not in READING and not from_us(request):
        raise web.HTTPForbidden(text="This was not sent from a page of the console.")
    return await handler(request)


def from_us(request: web.Request) -> bool:
    """Whether the headers that no page can forge name our own origin."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is None and origin is None:
        return False
    if site not in (None, "same-origin"):
        return False
    return origin is None or (urlsplit(origin).scheme in ("http", "https") and urlsplit(origin).netloc == request.host)
