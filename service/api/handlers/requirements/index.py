"""List requirements."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import web

from service.api import keys
from service.api.cursors import Cursors
from service.api.envelope import respond
from service.api.reading import run_read
from service.api.request_params import load_request_params
from service.database.pool import Database
from service.domain.callers import Viewer
from service.domain.lists import PAGE_SIZE, RequirementList, Start, filters_of, search_errors, sort_of
from service.domain.statuses import ActionSuccessful
from service.domain.views import requested_views
from service.storage.requirement_index import read_index_page
from service.storage.statements import Executor, Within


async def index(request: web.Request) -> web.Response:
    """Answer with a page of the requirements that pass the filters and that the caller may see."""
    params = load_request_params(request, *search_errors(request[keys.PARAMS]))
    data = await run_read(request, partial(_read_page, request.app[keys.CURSORS], params))
    views = requested_views(request[keys.CALLER], request[keys.TOKEN], params)
    return respond(request, ActionSuccessful(data=data, views=views))


async def _read_page(
    cursors: Cursors, params: Mapping[str, Any], database: Database, viewer: Viewer, timeout: float
) -> dict[str, Any]:
    executor = Within(database, timeout)
    listed = RequirementList(filters_of(params), sort_of(params), viewer)
    context = ("index", *listed.filters, *listed.sort, *viewer)
    requested = params["page"] or {}
    size = requested.get("size") or PAGE_SIZE
    start = await _start(executor, cursors, context, requested, size)
    page = await read_index_page(executor, listed, start, size, counted=bool(params["count"]))
    data: dict[str, Any] = {
        "results": [requirement.view() for requirement in page.requirements],
        "complete": page.next is None,
        "page": {"size": size, "next": page.next and await cursors.seal(executor, context, page.next)},
    }
    if page.total is not None:
        data["count"] = page.total.number
        if not page.total.exact:
            data["count_is_at_least"] = True
    return data


async def _start(
    executor: Executor, cursors: Cursors, context: tuple[object, ...], requested: Mapping[str, Any], size: int
) -> Start:
    if requested.get("after") is not None:
        return await cursors.unseal(executor, context, requested["after"])
    return Start(skip=((requested.get("number") or 1) - 1) * size)
