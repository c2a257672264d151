"""What every request carries from its first step to its log line."""

import asyncio
import re
import secrets

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.contextvars import bound_contextvars

from service import keys

REQUEST_ID_HEADER = "X-Request-ID"
_WELL_FORMED_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

# Asked every few seconds by machines: their lines would bury the others.
_QUIET_PATHS = frozenset({"/ping", "/ready"})

# Nobody needs to know which versions answer.
_HEADERS = {"Server": "requirements-service", "X-Content-Type-Options": "nosniff"}

log = structlog.get_logger()


@web.middleware
async def request_context(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id and its time budget; log one line when it is answered."""
    clock = asyncio.get_running_loop().time
    started = clock()
    request[keys.REQUEST_ID] = request_id = _request_id(request.headers.get(REQUEST_ID_HEADER, ""))
    request[keys.DEADLINE] = started + request.config_dict[keys.CONFIG].server.request_timeout_seconds
    with bound_contextvars(request_id=request_id):
        response = await handler(request)
        response.headers.update(_HEADERS)
        response.headers[REQUEST_ID_HEADER] = request_id
        _log_line(request, response, clock() - started)
    return response


def _request_id(offered: str) -> str:
    return offered if _WELL_FORMED_ID.fullmatch(offered) else secrets.token_hex(16)


def _log_line(request: web.Request, response: web.StreamResponse, seconds: float) -> None:
    status = response.get(keys.STATUS)
    log_at = log.debug if request.path in _QUIET_PATHS else log.info
    log_at(
        "request",
        method=request.method,
        route=_route(request),
        http_code=response.status,
        status=status.name if status else None,
        outcome=response.headers.get("Requirement-Outcome"),
        milliseconds=round(seconds * 1000, 3),
    )


def _route(request: web.Request) -> str | None:
    """The pattern that the path matched, never the path: that may hold anything, a misplaced token included."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else None
