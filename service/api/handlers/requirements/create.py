"""Creating a requirement."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiohttp import web
from multidict import istr

from service.api import keys
from service.api.envelope import respond
from service.api.requirement_writer import IDEMPOTENCY_KEY, Recorded
from service.domain.callers import Caller
from service.domain.requirements import Key, submission
from service.domain.schemas import CreateParams
from service.domain.statuses import ActionSuccessful, MandrillEmailFailed, ParamError, Refusal
from service.domain.views import application_view, session_view
from service.mail.errors import MandrillError

MAX_IDEMPOTENCY_KEY_LENGTH = 255
_KEY_HEADER = istr(IDEMPOTENCY_KEY)


async def create(request: web.Request) -> web.Response:
    """Record the requirement that the params ask for, and answer with its record."""
    app = request.app
    idempotency_keys = request.headers.getall(_KEY_HEADER, [])
    try:
        params = app[keys.CREATE_PARAMS].read(request[keys.PARAMS], *_key_errors(idempotency_keys))
    except Refusal:
        # Whoever is not let in learns nothing about params.
        await _look_up(request)
        raise
    key = Key(await _look_up(request), idempotency_keys[0]) if idempotency_keys else None
    item = submission(request[keys.TOKEN_DIGEST], params, key)
    recorded = await app[keys.RECORDER].record(item, request[keys.DEADLINE])
    request[keys.CALLER] = caller = recorded.caller
    told = {"data": recorded.requirement.view(), "views": _views(caller, params, request[keys.TOKEN])}
    if recorded.outcome == "created" and app[keys.CONFIG].mandrill.enabled:
        await _send_email(request, recorded, told)
    return respond(request, ActionSuccessful(**told, outcome=recorded.outcome))


async def _look_up(request: web.Request) -> Caller:
    """The caller, let in by a statement of its own, where the write comes too late for that."""
    return await request.app[keys.AUTHENTICATOR].look_up(request[keys.TOKEN_DIGEST], request[keys.DEADLINE])


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
