"""The envelope: the only place where the bodies of the API are built."""

import orjson
from aiohttp import hdrs, web
from multidict import istr

from service.api import keys
from service.api.aiohttp_internals import BufferedResponse
from service.domain import idempotency
from service.domain.statuses import ActionSuccessful, ApplicationCrash, Status

CONTENT_TYPE = "application/json; charset=utf-8"
RETRY_AFTER_SECONDS = "1"
READ_FROM_HEADER = istr("X-Read-From")
REPLICA = "replica"  # its value, if it is there
OUTCOME_HEADER = istr("Requirement-Outcome")
_KEY_HEADER = istr(idempotency.HEADER)


def respond(request: web.Request, status: Status) -> web.Response:
    """The answer to `request` with `status`, and the headers that belong to it."""
    action = request.get(keys.ACTION)
    succeeded = isinstance(status, ActionSuccessful)
    body = {
        "status": status.name,
        "message": action.success_message if action is not None and succeeded else status.message(),
        "data": status.data,
        **status.views,
    }
    if status.errors:
        body["errors"] = [{"param": error.param, "message": error.message} for error in status.errors]
    body["request_id"] = request[keys.REQUEST_ID]
    response = BufferedResponse(
        body=orjson.dumps(body),
        status=status.http_code,
        headers={hdrs.CONTENT_TYPE: CONTENT_TYPE, hdrs.CACHE_CONTROL: "no-store"},
    )
    response[keys.STATUS] = status
    if action is not None:
        _add_outcome(request, status, response, writes=action.writes)
        if succeeded and action.reads_replicas and keys.ON_REPLICA in request:
            response.headers[READ_FROM_HEADER] = REPLICA
    return response


def _add_outcome(request: web.Request, status: Status, response: web.Response, *, writes: bool) -> None:
    if writes:
        response.headers[OUTCOME_HEADER] = status.outcome
    # Without a key, retrying a write that may have happened could write twice.
    safe_to_retry = status.outcome == "none" or _KEY_HEADER in request.headers
    if isinstance(status, ApplicationCrash) and safe_to_retry:
        response.headers["Retry-After"] = RETRY_AFTER_SECONDS
