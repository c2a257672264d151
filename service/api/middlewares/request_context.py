"""The context of every request: its id, its deadline, its metrics and its log line."""

import asyncio
import random
import re
import time

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from multidict import istr

from service.api import keys
from service.api.envelope import OUTCOME_HEADER
from service.domain.statuses import RouteNonExistent
from service.observability.secrets import clip

REQUEST_ID_HEADER = "X-Request-ID"
# An istr is found without converting it to lower case first.
_REQUEST_ID = istr(REQUEST_ID_HEADER)
_WELL_FORMED_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

# Longer than any request id, or method.
_LOGGED_LENGTH = 256

# Machines call these every few seconds. Their log lines would hide the others.
_QUIET_PATHS = frozenset({"/ping", "/ready"})

# Callers do not need to know the versions of the server.
_HEADERS = {hdrs.SERVER: "requirements-service", istr("X-Content-Type-Options"): "nosniff"}


@web.middleware
async def request_context(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Set the request's id and deadline. When it is answered, count it and log one line."""
    # The event loop's clock may have a resolution of milliseconds: enough for a deadline, not for a latency.
    started = time.perf_counter()
    app = request.app
    metrics = app[keys.METRICS]
    request[keys.REQUEST_ID] = request_id = _request_id(request.headers.get(_REQUEST_ID, ""))
    request[keys.DEADLINE] = asyncio.get_running_loop().time() + app[keys.CONFIG].server.request_timeout_seconds
    metrics.in_flight += 1
    try:
        response = await handler(request)
    finally:
        metrics.in_flight -= 1
    response.headers.update(_HEADERS)
    response.headers[_REQUEST_ID] = request_id
    _record(request, response, time.perf_counter() - started)
    return response


def _request_id(offered: str) -> str:
    return offered if _WELL_FORMED_ID.fullmatch(offered) else f"{random.getrandbits(128):032x}"


def _record(request: web.Request, response: web.StreamResponse, seconds: float) -> None:
    app = request.app
    answered = response.get(keys.STATUS)
    status = answered.name if answered else None
    route = _route(request) if status != RouteNonExistent.name else None
    outcome = response.headers.get(OUTCOME_HEADER)
    # A call that waits on request is not slow.
    app[keys.METRICS].answered(route, status, response.status, outcome, seconds - request.get(keys.WAITED, 0.0))
    app[keys.REQUEST_LOG](
        {
            "request_id": _clean(request[keys.REQUEST_ID], request.headers.get(_REQUEST_ID)),
            "method": request.method if request.method in hdrs.METH_ALL else clip(request.method, _LOGGED_LENGTH),
            "route": route,
            "http_code": response.status,
            "status": status,
            "outcome": outcome,
            "milliseconds": round(seconds * 1000, 3),
        },
        quiet=request.path in _QUIET_PATHS,
    )


def _clean(request_id: str, offered: str | None) -> str:
    """The request id for the log. An id chosen by the caller may contain a secret."""
    return clip(request_id, _LOGGED_LENGTH) if offered == request_id else request_id


def _route(request: web.Request) -> str | None:
    """The URL pattern that matched, never the path, which may contain anything, even a misplaced token."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else None
