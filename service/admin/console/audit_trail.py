"""What every change has in common: who made it is noted with it, and the next page tells it once."""

from aiohttp import web
from yarl import URL

from service.admin import keys
from service.admin.console.rendering import SHOWN
from service.admin.logins import Note
from service.storage import console


def changing(request: web.Request, action: str, details: console.Details) -> console.Audited:
    """A connection for one change by whoever is logged in, committed with its record in the audit."""
    return console.audited(request.config_dict[keys.DATABASE], request[keys.LOGIN].name, action, details)


def back_to(request: web.Request, address: str, text: str, token: str | None = None) -> web.HTTPSeeOther:
    """The way to the page that shows what was changed, where `text` and a new token are told once."""
    word = request[keys.LOGIN].leave(Note(text, token))
    return web.HTTPSeeOther(URL(address).update_query({SHOWN: word}))
