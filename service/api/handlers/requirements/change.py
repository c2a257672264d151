"""Update or destroy a requirement."""

from aiohttp import web

from service.api import keys
from service.api.envelope import respond
from service.api.request_params import load_write_params
from service.api.requirement_changer import requirement_and_outcome
from service.domain.requirement_changes import new_change
from service.domain.statuses import ActionSuccessful
from service.domain.views import requested_views


async def change(request: web.Request) -> web.Response:
    """Update or destroy, as the action says, and answer with the record as it is now or as it was.

    The statement that changes also judges the token. If params are invalid or there is an Idempotency-Key, the caller
    must be known before that statement, so the token is looked up by a separate one.
    """
    unverified = request[keys.UNVERIFIED_CALLER]
    params, key = await load_write_params(request, unverified)
    item = new_change(request[keys.ACTION].name, params, unverified.digest, key, request[keys.REQUEST_ID])
    result = await request.app[keys.CHANGER].change(item, request[keys.DEADLINE])
    caller = unverified.accept(result.lookup)
    requirement, outcome = requirement_and_outcome(item, result)
    views = requested_views(caller, unverified.token, params)
    return respond(request, ActionSuccessful(data=requirement.view(), views=views, outcome=outcome))
