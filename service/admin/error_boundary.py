"""What goes wrong on the internal listener is logged and reported; its cause is never shown."""

import secrets

import sentry_sdk
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.contextvars import bound_contextvars

from service.admin import keys
from service.database.errors import DatabaseError

log = structlog.get_logger()


@web.middleware
async def ops_error_boundary(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id; answer what nobody caught with a sentence: 503 for the database, else 500."""
    request[keys.REQUEST_ID] = request_id = secrets.token_hex(16)
    with bound_contextvars(request_id=request_id):
        try:
            return await handler(request)
        except web.HTTPException:
            raise
        except DatabaseError as error:
            log.warning("ops-request-failed", reason=str(error))
            return _told(503, f"The database does not answer. Try again in a moment. ({request_id})")
        except Exception as error:
            log.exception("ops-request-failed")
            sentry_sdk.capture_exception(error)
            return _told(500, f"Something went wrong. The log lines with this id say what. ({request_id})")


def _told(code: int, sentence: str) -> web.Response:
    return web.Response(text=f"{sentence}\n", status=code, headers={"Cache-Control": "no-store"})
