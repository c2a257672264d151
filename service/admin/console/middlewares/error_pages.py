"""Whatever is refused or fails for a foreseen reason is told as a page of the console."""

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from service.admin.console.rendering import error_page
from service.database.errors import ConnectionLost, ConstraintViolated, DatabaseError, DataRejected, NotConnected

SENTENCES = {
    404: "There is no such page, or no such record any more.",
    405: "This address cannot be asked in that way.",
    413: "What was sent is too long.",
}
AWAY = "The database does not answer at the moment. The rest of the console still works; try again shortly."
OPEN = "The database was lost before it could confirm the change: the Audit tab tells whether it was made."
REFUSED = "The database refused this. The log lines with the id below say why."
REJECTED = "The database cannot store what was entered."

log = structlog.get_logger()


@web.middleware
async def error_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell a refusal in a sentence, and a failure of the database by what it means for the person."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:  # noqa: PLR2004 - redirects come as exceptions too
            raise
        return error_page(request, error.status, SENTENCES.get(error.status) or error.text or error.reason)
    except (ConstraintViolated, DataRejected):
        return error_page(request, 400, REJECTED)
    except DatabaseError as error:
        log.warning("console-database-failed", kind=type(error).__name__, reason=str(error))
        lost = isinstance(error, ConnectionLost) and request.method == "POST"
        if lost:
            return error_page(request, 503, OPEN)
        return error_page(request, 503, AWAY if isinstance(error, NotConnected | ConnectionLost) else REFUSED)
