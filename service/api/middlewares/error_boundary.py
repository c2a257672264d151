"""The one place that catches everything: whatever goes wrong leaves as an envelope that tells no cause."""

import sentry_sdk
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.contextvars import bound_contextvars

from service.api import keys
from service.api.envelope import respond
from service.database.errors import ConnectionLost, NotConnected, StatementTimeout
from service.domain.statuses import ApplicationCrash, IdentifyRequestError, Outcome, Refusal, RouteNonExistent

log = structlog.get_logger()


@web.middleware
async def error_boundary(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer refusals as they say, and anything unforeseen as our fault."""
    # A CONNECT has no path at all: not even `CatchAllResource` is asked for it.
    if request.match_info.http_exception is not None:
        return respond(request, RouteNonExistent())
    try:
        return await handler(request)
    except Refusal as refusal:
        if refusal.__cause__ is not None:
            _report(request, refusal, refusal.__cause__)
        if isinstance(refusal, ApplicationCrash):
            _notify(request, refusal.__cause__ or refusal)
        return respond(request, refusal)
    except Exception as error:  # noqa: BLE001 - this is the boundary
        # Nobody knows how far the handler got: from there on the write may have happened.
        outcome: Outcome = "unknown" if keys.TOKEN in request else "none"
        crash = ApplicationCrash(outcome=outcome) if keys.ROUTE in request else IdentifyRequestError()
        _report(request, crash, error)
        if isinstance(crash, ApplicationCrash):
            _notify(request, error)
        return respond(request, crash)


def _report(request: web.Request, refusal: Refusal, cause: BaseException) -> None:
    # While the database is away every request fails, and a traceback takes longer than all else that is done for one.
    foreseen = isinstance(cause, ConnectionLost | NotConnected | StatementTimeout)
    told = {"reason": f"{type(cause).__name__}: {cause}"} if foreseen else {"exc_info": cause}
    with bound_contextvars(request_id=request[keys.REQUEST_ID]):
        log.error("request-failed", status=refusal.name, outcome=refusal.outcome, **told)
        sentry_sdk.capture_exception(cause)


def _notify(request: web.Request, error: BaseException) -> None:
    request.app[keys.CRASH_NOTIFIER].crashed(error, request[keys.REQUEST_ID])
