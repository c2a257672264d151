"""Record a change in the audit, and show its result on the next page."""

from aiohttp import web
from yarl import URL

from service.admin import keys
from service.admin.console.rendering import MESSAGE
from service.admin.logins import FlashMessage
from service.storage import audit


def changing(request: web.Request, action: str, details: audit.Details) -> audit.Audited:
    """A transaction for one change by the logged-in operator, committed together with its row in the audit."""
    return audit.audited(request.config_dict[keys.DATABASE], request[keys.LOGIN].name, action, details)


def back_to(request: web.Request, address: str, text: str, token: str | None = None) -> web.HTTPSeeOther:
    """A redirect to `address`, which shows `text` and a new token once."""
    message_id = request[keys.LOGIN].add_message(FlashMessage(text, token))
    return web.HTTPSeeOther(URL(address).update_query({MESSAGE: message_id}))
