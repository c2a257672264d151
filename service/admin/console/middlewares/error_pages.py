"""Render HTTP errors and database errors as pages of the console."""

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from service.admin.console.rendering import error_page
from service.database.errors import (
    ConnectionLost,
    ConstraintViolated,
    DatabaseError,
    DataRejected,
    NotConnected,
    StatementTimeout,
)

MESSAGES = {
    404: "The page or record does not exist.",
    405: "This address does not support this method.",
    413: "The form is too large.",
}
UNREACHABLE = "The database does not answer. The Overview still works. Try again in a moment."
OUTCOME_UNKNOWN = (
    "The connection was lost before the database confirmed the change. See the Audit tab for whether it was made."
)
FAILED = "The database returned an error. The log entries with the id below show the cause."
TOO_SLOW = "The database took too long, or waited too long for a lock. Narrow the filter, or try again in a moment."
REJECTED = "The database cannot store these values."

log = structlog.get_logger()


@web.middleware
async def error_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer an HTTP error or a database error with a page that says what it means for the operator."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:  # noqa: PLR2004 - redirects are exceptions too
            raise
        return error_page(request, error.status, MESSAGES.get(error.status) or error.text or error.reason)
    except (ConstraintViolated, DataRejected):
        return error_page(request, 400, REJECTED)
    except StatementTimeout:
        return error_page(request, 503, TOO_SLOW)
    except DatabaseError as error:
        log.warning("console-database-failed", kind=type(error).__name__, reason=str(error))
        lost = isinstance(error, ConnectionLost) and request.method == "POST"
        if lost:
            return error_page(request, 503, OUTCOME_UNKNOWN)
        return error_page(request, 503, UNREACHABLE if isinstance(error, NotConnected | ConnectionLost) else FAILED)
