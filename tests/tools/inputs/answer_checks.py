"""Compare an answer with the expected one: code, envelope, headers and data."""

import json
from typing import Any
from urllib.parse import unquote

from tests.api.bad_inputs.wire import Response
from tests.factories import CREATE
from tests.tools.inputs.contract import HTTP_CODES, WITH_ERRORS, Case, Expected, kept_request_id

OPTIONAL_MEMBERS = {"session", "application", "errors"}
MEMBERS = {"status", "message", "data", "request_id"}


def faults(response: Response, case: Case, expected: Expected, outcome: str = "") -> list[str]:
    """Return what is wrong with the answer. `outcome` overrides the expected outcome."""
    body, found = envelope(response)
    if found:
        return found
    if body["status"] != expected.status:
        return [f"the status is {body['status']}, not {expected.status}"]
    at_fault = sorted(error["param"] for error in body.get("errors", ()))
    actual = response.header("Requirement-Outcome")
    request = case.request
    # The path equals create's only after unescaping: there is no such route, and the outcome is none.
    escaped_path = (request.method, unquote(request.target)) == ("POST", CREATE)
    addressed = (outcome or expected.outcome) if case.writes else None
    expected_outcome = addressed if case.is_create else "none" if escaped_path else None
    kept = kept_request_id(case.request)
    rules = {
        f"the params at fault are {at_fault}, not {expected.params}": tuple(at_fault) == expected.params,
        f"the outcome is {actual}, not {expected_outcome}": actual == expected_outcome,
        f"the views are not {sorted(expected.views)}": body.keys() & {"session", "application"} == expected.views,
        f"the data is {body['data']}": _matches(body["data"], expected),
        "the caller's request id is not returned": kept is None or body["request_id"].encode() == kept,
    }
    return [fault for fault, passed in rules.items() if not passed]


def envelope(response: Response) -> tuple[dict[str, Any], list[str]]:
    """Return the body, and what is wrong with it as an envelope of any status."""
    try:
        body = json.loads(response.body)
    except ValueError:
        return {}, ["the body is not JSON"]
    if not isinstance(body, dict) or not MEMBERS <= body.keys() <= MEMBERS | OPTIONAL_MEMBERS:
        return {}, ["the body is not an envelope"]
    errors = body.get("errors", [])
    rules = {
        "the HTTP code does not match the status": HTTP_CODES.get(body["status"]) == response.http_code,
        "the content type is wrong": response.header("Content-Type") == "application/json; charset=utf-8",
        "Cache-Control is not no-store": response.header("Cache-Control") == "no-store",
        "the request id differs": response.header("X-Request-ID") == body["request_id"],
        "the request id is empty": bool(body["request_id"]),
        "the message is empty": bool(body["message"]),
        "errors are missing or unexpected": ("errors" in body) == (body["status"] in WITH_ERRORS),
        "an error is malformed": all(it.keys() == {"param", "message"} and it["message"] for it in errors),
    }
    return body, [fault for fault, passed in rules.items() if not passed]


def _matches(actual: Any, expected: Expected) -> bool:
    if expected.exactly is not None:
        return bool(actual == expected.exactly)
    if expected.members:
        # A number of rows that is not exact says so.
        return isinstance(actual, dict) and actual.keys() - {"count_is_at_least"} == expected.members
    if actual is None or expected.data is None:
        return actual is expected.data
    made = {"id", "created_at", "updated_at"}
    return {
        name: value for name, value in actual.items() if name not in made
    } == expected.data and made <= actual.keys()
