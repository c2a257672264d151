"""The only place where bodies of the API are built."""

import orjson
from aiohttp import hdrs, web
from multidict import istr

from service.api import keys
from service.api.aiohttp_internals import BufferedResponse
from service.domain.statuses import ApplicationCrash, Status

CREATE_PATH = "/api/v1/requirements/create"
CONTENT_TYPE = "application/json; charset=utf-8"
RETRY_AFTER_SECONDS = "1"
OUTCOME_HEADER = istr("Requirement-Outcome")


def respond(request: web.Request, status: Status) -> web.Response:
    """The answer to `request` that tells `status`, with the headers that go with it."""
    body = {"status": status.name, "message": status.message(), "data": status.data, **status.views}
    if status.errors:
        body["errors"] = [{"param": error.param, "message": error.message} for error in status.errors]
    body["request_id"] = request[keys.REQUEST_ID]
    response = BufferedResponse(
        body=orjson.dumps(body),
        status=status.http_code,
        headers={hdrs.CONTENT_TYPE: CONTENT_TYPE, hdrs.CACHE_CONTROL: "no-store"},
    )
    response[keys.STATUS] = status
    if request.method == "POST" and request.path == CREATE_PATH:
        _tell_outcome(request, status, response)
    return response


def _tell_outcome(request: web.Request, status: Status, response: web.Response) -> None:
    response.headers[OUTCOME_HEADER] = status.outcome
    # Without a key, a retry of a write that may have happened could double it.
    safe_to_retry = status.outcome == "none" or "Idempotency-Key" in request.headers
    if isinstance(status, ApplicationCrash) and safe_to_retry:
        response.headers["Retry-After"] = RETRY_AFTER_SECONDS
