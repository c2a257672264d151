"""The Audit tab: the changes made in the console."""

from aiohttp import web

from service.admin import keys
from service.admin.console.details import read_details
from service.admin.console.forms import read_query
from service.admin.console.rendering import page
from service.storage.audit import list_audit


async def show(request: web.Request) -> web.Response:
    """One page of changes, newest first."""
    before = read_query(request).before()
    changes = await list_audit(request.config_dict[keys.DATABASE], before)
    entries = [(row, read_details(row["details"])) for row in changes.rows]
    return await page(request, "audit.html", "audit", entries=entries, next=changes.next)


ROUTES = (web.get("/audit", show),)
