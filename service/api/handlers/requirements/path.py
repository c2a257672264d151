"""Tell why one thing requires another."""

from functools import partial

from aiohttp import web

from service.api import keys
from service.api.envelope import respond
from service.api.request_params import load_request_params
from service.api.walking import run_walk
from service.database.pool import Database
from service.domain.callers import Viewer
from service.domain.graph import scope_of
from service.domain.params import Params
from service.domain.requirements import Requirement
from service.domain.statuses import ActionSuccessful
from service.domain.views import requested_views
from service.storage.requirement_graph import Reading, read_path


async def path(request: web.Request) -> web.Response:
    """Answer with a shortest chain of requirements from one thing to another, or with null."""
    params = load_request_params(request)
    chain = await run_walk(request, partial(_read_chain, params))
    views = requested_views(request[keys.CALLER], request[keys.TOKEN], params)
    records = None if chain is None else [requirement.view() for requirement in chain]
    return respond(request, ActionSuccessful(data={"path": records}, views=views))


async def _read_chain(params: Params, database: Database, viewer: Viewer, timeout: float) -> list[Requirement] | None:
    return await read_path(params["from"], params["to"], scope_of(params), Reading(database, viewer, timeout))
