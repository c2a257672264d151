"""The responses of a create: one for each HTTP code, telling every status that has this code."""

from collections.abc import Sequence
from http import HTTPStatus
from itertools import groupby
from typing import get_args

from service.api.envelope import RETRY_AFTER_SECONDS
from service.api.middlewares.request_context import REQUEST_ID_HEADER
from service.api.openapi.examples import example
from service.api.openapi.records import JSONSchema, ref
from service.domain.statuses import STATUSES, Outcome, Status

HEADERS: dict[str, JSONSchema] = {
    REQUEST_ID_HEADER: {
        "description": "The caller's, if it is 1 to 128 of A-Z a-z 0-9 . _ -, else a new one",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
    },
    "Cache-Control": {"required": True, "schema": {"type": "string", "const": "no-store"}},
    "Requirement-Outcome": {
        "description": "What became of the write. none: nothing was written, a retry is safe. unknown: it may have "
        "happened, retry with the same Idempotency-Key",
        "required": True,
        "schema": {"type": "string", "enum": list(get_args(Outcome))},
    },
    "Retry-After": {
        "description": "On application-crash, where a retry cannot record the requirement twice: the outcome is none, "
        "or an Idempotency-Key was sent",
        "schema": {"type": "string", "const": RETRY_AFTER_SECONDS},
    },
}


def responses(links: JSONSchema) -> dict[str, JSONSchema]:
    """The responses of a create by HTTP code, each with an example of every status that has this code.

    `links` are what may follow a success.
    """
    by_code = sorted(STATUSES, key=lambda status: status.http_code)
    told = {str(code): _response(code, list(group)) for code, group in groupby(by_code, lambda s: s.http_code)}
    told[str(HTTPStatus.OK.value)]["links"] = links
    return told


def headers(*names: str) -> JSONSchema:
    """The component headers of these names, as a response refers to them."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _response(code: int, statuses: Sequence[type[Status]]) -> JSONSchema:
    schemas = [ref(status.__name__) for status in statuses]
    content: JSONSchema = {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas}}
    content["examples"] = {status.name: {"summary": status.name, "value": example(status)} for status in statuses}
    named = [name for name in HEADERS if name != "Retry-After" or code == HTTPStatus.INTERNAL_SERVER_ERROR]
    return {
        "description": "\n".join(f"* `{status.name}`: {status.message()}" for status in statuses),
        "headers": headers(*named),
        "content": {"application/json": content},
    }
