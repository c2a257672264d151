"""The only middleware that catches every exception: each error is answered as an envelope that hides its cause."""

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.contextvars import bound_contextvars

from service.api import keys
from service.api.envelope import respond
from service.database.errors import ConnectionLost, NotConnected, ServerReadOnly, StatementTimeout
from service.domain.statuses import ApplicationCrash, IdentifyRequestError, Outcome, Refusal, RouteNonExistent
from service.mail.errors import MandrillError
from service.observability import error_reports

log = structlog.get_logger()


@web.middleware
async def error_boundary(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a refusal with its status, and any other exception as an error of the service."""
    # CONNECT has no path, so that even the catch-all route does not match it.
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
        crash = ApplicationCrash(outcome=_outcome(request)) if keys.ROUTE in request else IdentifyRequestError()
        _report(request, crash, error)
        if isinstance(crash, ApplicationCrash):
            _notify(request, error)
        return respond(request, crash)


def _outcome(request: web.Request) -> Outcome:
    """The outcome of an unexpected error: from authentication on, the handler of a writing action may have written."""
    return "unknown" if keys.TOKEN in request and request[keys.ACTION].writes else "none"


def _report(request: web.Request, refusal: Refusal, cause: BaseException) -> None:
    # While the database is away or Mandrill refuses e-mails, every request fails. The place in our code says nothing
    # about the cause, and a traceback for each would take more time than the requests.
    expected = isinstance(cause, ConnectionLost | NotConnected | ServerReadOnly | StatementTimeout | MandrillError)
    details = {"reason": f"{type(cause).__name__}: {cause}"} if expected else {"exc_info": cause}
    with bound_contextvars(request_id=request[keys.REQUEST_ID]):
        log.error("request-failed", status=refusal.name, outcome=refusal.outcome, **details)
        error_reports.report(cause)


def _notify(request: web.Request, error: BaseException) -> None:
    request.app[keys.CRASH_NOTIFIER].crashed(error, request[keys.REQUEST_ID])
