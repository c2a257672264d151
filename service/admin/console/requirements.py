"""The Requirements tab: all requirements, or those with one reference or one key."""

from aiohttp import web

from service.admin import keys
from service.admin.console.forms import Form, read_query
from service.admin.console.rendering import page
from service.database.pool import Database
from service.domain.references import Reference
from service.storage import requirement_pages
from service.storage.pages import LAST_ID, Page


async def show(request: web.Request) -> web.Response:
    """One page of requirements, newest first."""
    query = read_query(request)
    required, requireable = query.reference("required"), query.reference("requireable")
    key = query.texts.get("key")
    rows = await _rows(request.config_dict[keys.DATABASE], query, required, requireable)
    return await page(
        request,
        "requirements.html",
        "requirements",
        rows=rows,
        required=required,
        requireable=requireable,
        key=key,
        types=sorted(request.config_dict[keys.CONFIG].associations),
    )


async def _rows(database: Database, query: Form, required: Reference | None, requireable: Reference | None) -> Page:
    before = query.number("before") or LAST_ID
    if required is not None:
        return await requirement_pages.list_requirements_by_required(database, before, required)
    if requireable is not None:
        return await requirement_pages.list_requirements_by_requireable(database, before, requireable)
    if "key" in query.texts:
        return await requirement_pages.list_requirements_by_key(database, before, query.get("key"))
    return await requirement_pages.list_requirements(database, before)


ROUTES = (web.get("/requirements", show),)
