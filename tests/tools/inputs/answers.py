"""Whether an answer is the one that the model says is owed: its code, envelope, headers, and what it tells."""

import json
from typing import Any
from urllib.parse import unquote

from tests.api.bad_inputs.wire import Response
from tests.factories import CREATE
from tests.tools.inputs.contract import HTTP_CODES, WITH_ERRORS, Asked, Verdict, told_request_id

OPTIONAL_MEMBERS = {"session", "application", "errors"}
MEMBERS = {"status", "message", "data", "request_id"}


def faults(response: Response, asked: Asked, verdict: Verdict, outcome: str = "") -> list[str]:
    """What is wrong with the answer, in words. The `outcome` is the verdict's unless another is given."""
    body, found = envelope(response)
    if found:
        return found
    if body["status"] != verdict.status:
        return [f"the status is {body['status']}, not {verdict.status}"]
    at_fault = sorted(error["param"] for error in body.get("errors", ()))
    told = response.header("Requirement-Outcome")
    request = asked.request
    # The path with its escapes read is the create's, but no route is: there, too, nothing was written.
    beside = (request.method, unquote(request.target)) == ("POST", CREATE)
    owed = (outcome or verdict.outcome) if asked.on_create else "none" if beside else None
    kept = told_request_id(asked.request)
    rules = {
        f"the params at fault are {at_fault}, not {verdict.params}": tuple(at_fault) == verdict.params,
        f"the outcome is {told}, not {owed}": told == owed,
        f"the views are not {sorted(verdict.views)}": body.keys() & {"session", "application"} == verdict.views,
        f"the data is {body['data']}": _as_sent(body["data"], verdict.data),
        "the caller's request id is not told": kept is None or body["request_id"].encode() == kept,
    }
    return [fault for fault, kept_to in rules.items() if not kept_to]


def envelope(response: Response) -> tuple[dict[str, Any], list[str]]:
    """The body, and what is wrong with it as an envelope, whatever its status."""
    try:
        body = json.loads(response.body)
    except ValueError:
        return {}, ["the body is no JSON"]
    if not isinstance(body, dict) or not MEMBERS <= body.keys() <= MEMBERS | OPTIONAL_MEMBERS:
        return {}, ["the body is no envelope"]
    errors = body.get("errors", [])
    rules = {
        "the HTTP code is not the status's": HTTP_CODES.get(body["status"]) == response.http_code,
        "the content type is another": response.header("Content-Type") == "application/json; charset=utf-8",
        "it may be cached": response.header("Cache-Control") == "no-store",
        "the request id differs": response.header("X-Request-ID") == body["request_id"],
        "the request id is none": bool(body["request_id"]),
        "there is no sentence": bool(body["message"]),
        "errors stand where they should not": ("errors" in body) == (body["status"] in WITH_ERRORS),
        "an error is no error": all(it.keys() == {"param", "message"} and it["message"] for it in errors),
    }
    return body, [fault for fault, kept_to in rules.items() if not kept_to]


def _as_sent(told: Any, owed: dict[str, Any] | None) -> bool:
    if told is None or owed is None:
        return told is owed
    made = {"id", "created_at", "updated_at"}
    return {name: value for name, value in told.items() if name not in made} == owed and made <= told.keys()
