"""The responses of an action: one for each HTTP code, with every status that has this code."""

from collections.abc import Sequence
from http import HTTPStatus
from itertools import groupby

from service.api.action import Action
from service.api.envelope import OUTCOME_HEADER, READ_FROM_HEADER, REPLICA, RETRY_AFTER_SECONDS
from service.api.middlewares.request_context import REQUEST_ID_HEADER
from service.api.openapi.envelopes import envelope_component, message_of
from service.api.openapi.examples import example
from service.api.openapi.records import JSONSchema, ref
from service.domain.statuses import Status

HEADERS: dict[str, JSONSchema] = {
    REQUEST_ID_HEADER: {
        "description": "The caller's id, if it is 1 to 128 of A-Z a-z 0-9 . _ -, else a new one",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
    },
    "Cache-Control": {"required": True, "schema": {"type": "string", "const": "no-store"}},
    "Retry-After": {
        "description": "On application-crash, if a retry cannot write twice: the outcome is none, or an "
        "Idempotency-Key was sent",
        "schema": {"type": "string", "const": RETRY_AFTER_SECONDS},
    },
}


OUTCOME = "RequirementOutcome"


def outcomes(actions: Sequence[Action]) -> dict[str, JSONSchema]:
    """The component of the outcomes that the actions can have."""
    names = dict.fromkeys(outcome for action in actions for outcome in action.outcomes)
    return {OUTCOME: {"type": "string", "enum": list(names), "description": "The effect of a call on the tables"}}


def responses(action: Action, links: JSONSchema) -> dict[str, JSONSchema]:
    """The responses of `action` by HTTP code, each with an example of every status. `links` follow a success."""
    by_code = sorted(action.statuses, key=lambda status: status.http_code)
    groups = groupby(by_code, lambda status: status.http_code)
    by_text = {str(code): _response(action, code, list(group)) for code, group in groups}
    if links:
        by_text[str(HTTPStatus.OK.value)]["links"] = links
    return by_text


def headers(*names: str) -> JSONSchema:
    """References to the component headers of these names."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _response(action: Action, code: int, statuses: Sequence[type[Status]]) -> JSONSchema:
    schemas = [ref(envelope_component(action, status)) for status in statuses]
    content: JSONSchema = {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas}}
    content["examples"] = {
        status.name: {"summary": status.name, "value": example(action, status)} for status in statuses
    }
    names = [name for name in HEADERS if name != "Retry-After" or code == HTTPStatus.INTERNAL_SERVER_ERROR]
    return {
        "description": "\n".join(f"* `{status.name}`: {message_of(action, status)}" for status in statuses),
        "headers": headers(*names) | _outcome_header(action) | _server_header(action, code),
        "content": {"application/json": content},
    }


def _server_header(action: Action, code: int) -> JSONSchema:
    if not action.reads_replicas or code != HTTPStatus.OK:
        return {}
    header = {
        "description": "Present if a replica has answered: it may lack what was committed shortly before the call",
        "schema": {"type": "string", "const": REPLICA},
    }
    return {str(READ_FROM_HEADER): header}


def _outcome_header(action: Action) -> JSONSchema:
    if not action.writes:
        return {}
    header = {
        "description": "The effect of the call. none: nothing was written, a retry is safe. unknown: it may have been "
        "written, retry with the same Idempotency-Key",
        "required": True,
        "schema": {"allOf": [ref(OUTCOME), {"enum": list(action.outcomes)}]},
    }
    return {str(OUTCOME_HEADER): header}
