"""The error boundary of the internal listener: logs and reports errors, and hides their cause from the response."""

import secrets

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.contextvars import bound_contextvars

from service.admin import keys
from service.database.errors import DatabaseError
from service.observability import error_reports

log = structlog.get_logger()


@web.middleware
async def admin_error_boundary(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Set the request id. Answer an uncaught error with a sentence: 503 for a database error, else 500."""
    request[keys.REQUEST_ID] = request_id = secrets.token_hex(16)
    with bound_contextvars(request_id=request_id):
        try:
            return await handler(request)
        except web.HTTPException:
            raise
        except DatabaseError as error:
            log.warning("ops-request-failed", reason=str(error))
            return _error_response(503, f"The database does not answer. Try again in a moment. ({request_id})")
        except Exception as error:
            log.exception("ops-request-failed")
            error_reports.report(error)
            return _error_response(
                500, f"Something went wrong. The log entries with this id show the cause. ({request_id})"
            )


def _error_response(code: int, message: str) -> web.Response:
    return web.Response(text=f"{message}\n", status=code, headers={"Cache-Control": "no-store"})
