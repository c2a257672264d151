"""Create a requirement."""

from typing import Any

from aiohttp import web
from multidict import istr

from service.api import keys
from service.api.envelope import respond
from service.api.request_params import load_request_params
from service.api.requirement_writer import requirement_or_refusal
from service.domain.idempotency import HEADER, IdempotencyKey, key_errors
from service.domain.requirements import Requirement, new_requirement
from service.domain.statuses import ActionSuccessful, MandrillEmailFailed, Refusal
from service.domain.views import requested_views
from service.mail.errors import MandrillError

_KEY_HEADER = istr(HEADER)


async def create(request: web.Request) -> web.Response:
    """Write the requirement that the params ask for, and answer with its record.

    The statement that writes also judges the token, so that a create takes one round trip. Invalid params and an
    Idempotency-Key need the caller before that: they take a token look-up of its own.
    """
    params, key = await _read(request)
    unverified = request[keys.UNVERIFIED_CALLER]
    item = new_requirement(unverified.digest, params, key)
    result = await request.app[keys.WRITER].write(item, request[keys.DEADLINE])
    caller = unverified.accept(result.lookup)
    requirement = requirement_or_refusal(item, result)
    contents: dict[str, Any] = {
        "data": requirement.view(),
        "views": requested_views(caller, unverified.token, params),
        "outcome": "created" if result.created else "replayed",
    }
    if result.created and request.app[keys.CONFIG].mandrill.enabled:
        try:
            await _send_email(request, requirement, result.email_id)
        except MandrillError as error:
            raise MandrillEmailFailed(**contents) from error
    return respond(request, ActionSuccessful(**contents))


async def _read(request: web.Request) -> tuple[dict[str, Any], IdempotencyKey | None]:
    unverified = request[keys.UNVERIFIED_CALLER]
    texts = request.headers.getall(_KEY_HEADER, [])
    try:
        params = load_request_params(request, *key_errors(texts))
    except Refusal:
        # A rejected caller must not learn anything about params.
        await unverified.verify()
        raise
    return params, IdempotencyKey(await unverified.verify(), texts[0]) if texts else None


async def _send_email(request: web.Request, requirement: Requirement, email_id: int | None) -> None:
    sender = request.app[keys.EMAIL_SENDER]
    await sender.send(requirement, email_id, request[keys.DEADLINE], request[keys.REQUEST_ID])
