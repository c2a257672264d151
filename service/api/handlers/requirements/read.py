"""Read one requirement by its id."""

from functools import partial

from aiohttp import web

from service.api import keys
from service.api.envelope import respond
from service.api.reading import run_read
from service.api.request_params import load_request_params
from service.database.pool import Database
from service.domain.callers import Viewer
from service.domain.requirements import Requirement
from service.domain.statuses import ActionSuccessful, InvalidParam, ParamError
from service.domain.views import requested_views
from service.storage.requirements import read_requirement


async def read(request: web.Request) -> web.Response:
    """Answer with the requirement's record. One that the caller may not see does not exist for the caller."""
    params = load_request_params(request)
    requirement = await run_read(request, partial(_read, params["id"]))
    views = requested_views(request[keys.CALLER], request[keys.TOKEN], params)
    return respond(request, ActionSuccessful(data=requirement.view(), views=views))


async def _read(requirement_id: int, database: Database, viewer: Viewer, timeout: float) -> Requirement:
    requirement = await read_requirement(requirement_id, database, viewer, timeout)
    if requirement is None:
        raise InvalidParam(ParamError("id", "does not exist"))
    return requirement
