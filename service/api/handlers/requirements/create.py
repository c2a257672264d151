"""Create a requirement."""

from typing import Any

from aiohttp import web

from service.api import keys
from service.api.envelope import respond
from service.api.request_params import load_write_params
from service.api.requirement_writer import requirement_or_refusal
from service.domain.requirements import Requirement, new_requirement
from service.domain.statuses import ActionSuccessful, MandrillEmailFailed
from service.domain.views import requested_views
from service.mail.errors import MandrillError


async def create(request: web.Request) -> web.Response:
    """Write the requirement that the params ask for, and answer with its record.

    The statement that writes also judges the token, so that a create takes one round trip. If params are invalid or
    there is an Idempotency-Key, the caller must be known before that statement, so the token is looked up by a separate
    one.
    """
    unverified = request[keys.UNVERIFIED_CALLER]
    params, key = await load_write_params(request, unverified)
    item = new_requirement(unverified.digest, params, key, request[keys.REQUEST_ID])
    app = request.app
    result = await app[keys.WRITER].write(item, request[keys.DEADLINE])
    caller = unverified.accept(result.lookup)
    requirement = requirement_or_refusal(item, result)
    contents: dict[str, Any] = {
        "data": requirement.view(),
        "views": requested_views(caller, unverified.token, params),
        "outcome": "created" if result.created else "replayed",
    }
    if result.created and app[keys.CONFIG].mandrill.enabled:
        try:
            await _send_email(request, requirement, result.email_id)
        except MandrillError as error:
            raise MandrillEmailFailed(**contents) from error
    return respond(request, ActionSuccessful(**contents))


async def _send_email(request: web.Request, requirement: Requirement, email_id: int | None) -> None:
    sender = request.app[keys.EMAIL_SENDER]
    await sender.send(requirement, email_id, request[keys.DEADLINE], request[keys.REQUEST_ID])
