"""The OpenAPI document, and the page that shows it without asking anything of anybody else."""

import hashlib
from pathlib import PurePath

from aiohttp import web

from service.api.aiohttp_internals import handle_expect
from service.config.resources import resource

SWAGGER_UI = "5.35.0"

# Swagger UI sets its styles from scripts, which needs no 'unsafe-inline', and draws its icons from data: URLs.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_REVALIDATED = "no-cache"
_FOR_EVER = "public, max-age=31536000, immutable"  # these addresses hold their version

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".json": "application/json"}


class Page:
    """An answer that is the same every time; its `name` ends as a file of its content type would."""

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
        """The page; 304 where the caller has it already."""
        if any(tag.value in (self._etag, "*") for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=self._headers)
        return web.Response(body=self._body, headers=self._headers)


def routes(document: bytes) -> list[web.RouteDef]:
    """The URL table of the document, its page, and what the page loads. To HEAD none of them answers."""
    pages = {
        "/openapi.json": Page("openapi.json", document),
        "/docs": _shipped("docs/index.html"),
        "/docs/page.css": _shipped("docs/page.css"),
        "/docs/initializer.js": _shipped("docs/initializer.js"),
    }
    for name in ("swagger-ui.css", "swagger-ui-bundle.js"):
        pages[f"/docs/swagger-ui-{SWAGGER_UI}/{name}"] = _shipped(f"swagger-ui/{name}", _FOR_EVER)
    return [web.get(path, page.answer, allow_head=False, expect_handler=handle_expect) for path, page in pages.items()]


def _shipped(name: str, cache_control: str = _REVALIDATED) -> Page:
    return Page(name, (resource("api/static") / name).read_bytes(), cache_control)
