"""The headers of every response of the internal listener."""

from aiohttp import web

from service.admin import keys

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # With no-referrer, browsers send "Origin: null" with the console's own forms, and the origin check refuses them.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Server": "requirements-service",
}


async def set_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Set the security headers and the request id; `Cache-Control: no-store` unless the handler set another value."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    if keys.REQUEST_ID in request:
        response.headers["X-Request-ID"] = request[keys.REQUEST_ID]
