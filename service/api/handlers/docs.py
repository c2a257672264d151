"""The OpenAPI document, and a page that renders it without loading anything from other servers."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import PurePath

from aiohttp import web

from service.api.aiohttp_internals import handle_expect
from service.config.resources import resource

SWAGGER_UI = "5.35.0"

# Swagger UI sets styles through the CSSOM, which needs no 'unsafe-inline', and has icons in data: URLs.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_REVALIDATED = "no-cache"
_FOR_EVER = "public, max-age=31536000, immutable"  # these URLs contain the version

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".json": "application/json"}


class Page:
    """A constant response. The suffix of `name` determines its content type."""

    def __init__(self, name: str, body: bytes, cache_control: str = _REVALIDATED) -> None:
        self._body = body
        self._etag = hashlib.sha256(body).hexdigest()[:32]
        self._headers = {
            "Content-Type": f"{_TYPES[PurePath(name).suffix]}; charset=utf-8",
            "Cache-Control": cache_control,
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "ETag": f'"{self._etag}"',
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    async def answer(self, request: web.Request) -> web.Response:
        """The page, or 304 if the caller has it already."""
        if any(tag.value in (self._etag, "*") for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=self._headers)
        return web.Response(body=self._body, headers=self._headers)


async def show_docs(request: web.Request) -> web.Response:  # noqa: ARG001 - as aiohttp calls it
    """Send people who open the address of the service to the page."""
    return web.Response(status=302, headers={"Location": "/docs", "Cache-Control": _REVALIDATED})


def routes(render: Callable[[], bytes]) -> list[web.RouteDef]:
    """The routes of `/`, the document, its page, and the files of the page. None of them accepts HEAD.

    `render` makes the document when it is first asked for: that takes longer than making the rest of the app.
    """
    document = cache(lambda: Page("openapi.json", render()))

    async def show_document(request: web.Request) -> web.Response:
        return await document().answer(request)

    pages = {
        "/docs": _shipped("docs/index.html"),
        "/docs/page.css": _shipped("docs/page.css"),
        "/docs/initializer.js": _shipped("docs/initializer.js"),
    }
    for name in ("swagger-ui.css", "swagger-ui-bundle.js"):
        pages[f"/docs/swagger-ui-{SWAGGER_UI}/{name}"] = _shipped(f"swagger-ui/{name}", _FOR_EVER)
    handlers = {"/": show_docs, "/openapi.json": show_document, **{path: page.answer for path, page in pages.items()}}
    return [web.get(path, run, allow_head=False, expect_handler=handle_expect) for path, run in handlers.items()]


@cache
def _shipped(name: str, cache_control: str = _REVALIDATED) -> Page:
    return Page(name, (resource("api/static") / name).read_bytes(), cache_control)
