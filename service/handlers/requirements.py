"""Creating a requirement."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiohttp import web

from service import keys
from service.callers import Caller
from service.envelope import respond
from service.errors import ActionSuccessful, MandrillEmailFailed, ParamError
from service.mail.faults import MandrillError
from service.recording import IDEMPOTENCY_KEY, Recorded
from service.requirements import submission
from service.schemas import CreateParams
from service.views import application_view, session_view

MAX_IDEMPOTENCY_KEY_LENGTH = 255


async def create(request: web.Request) -> web.Response:
    """Record the requirement that the params ask for, and answer with its record."""
    app, caller = request.app, request[keys.CALLER]
    idempotency_keys = request.headers.getall(IDEMPOTENCY_KEY, [])
    params = app[keys.CREATE_PARAMS].read(request[keys.PARAMS], *_key_errors(idempotency_keys))
    item = submission(caller, params, idempotency_keys[0] if idempotency_keys else None)
    recorded = await app[keys.RECORDER].record(item, request[keys.DEADLINE])
    told = {"data": recorded.requirement.view(), "views": _views(caller, params, request[keys.TOKEN])}
    if recorded.outcome == "created" and app[keys.CONFIG].mandrill.enabled:
        await _send_email(request, recorded, told)
    return respond(request, ActionSuccessful(**told, outcome=recorded.outcome))


async def _send_email(request: web.Request, recorded: Recorded, told: Mapping[str, Any]) -> None:
    courier = request.app[keys.COURIER]
    deadline, request_id = request[keys.DEADLINE], request[keys.REQUEST_ID]
    try:
        await courier.send(recorded.requirement, recorded.email_id, deadline, request_id)
    except MandrillError as error:
        raise MandrillEmailFailed(**told, outcome=recorded.outcome) from error


def _key_errors(values: Sequence[str]) -> Iterator[ParamError]:
    fits = len(values) <= 1 and all(
        1 <= len(key) <= MAX_IDEMPOTENCY_KEY_LENGTH and key.isascii() and key.isprintable() for key in values
    )
    if not fits:
        rule = f"must be one header of 1 to {MAX_IDEMPOTENCY_KEY_LENGTH} printable ASCII characters"
        yield ParamError(IDEMPOTENCY_KEY, rule)


def _views(caller: Caller, params: CreateParams, token: str) -> dict[str, Any]:
    views: dict[str, Any] = {}
    if params.session_view is not None:
        views["session"] = session_view(caller, token, params.session_view)
    if params.application_view is not None:
        views["application"] = application_view(caller, params.application_view)
    return views
