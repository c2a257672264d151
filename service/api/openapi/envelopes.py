"""The schema of each status's envelope, made from the table of statuses and the table of actions."""

from collections.abc import Sequence

from service.api.action import Action
from service.api.middlewares.request_context import REQUEST_ID_HEADER
from service.api.openapi.records import JSONSchema, or_null, record, ref
from service.domain.statuses import (
    STATUSES,
    ActionSuccessful,
    ClientRequired,
    InvalidParam,
    MandrillEmailFailed,
    MissingParam,
    Status,
)

WITH_DATA = (ActionSuccessful, MandrillEmailFailed)
# Not {"type": "null"}, which openapi-generator cannot make Python of.
NULL: JSONSchema = {"const": None}
_WITH_ERRORS = (MissingParam, InvalidParam)


def envelopes(actions: Sequence[Action]) -> dict[str, JSONSchema]:
    """The schema of every envelope, by the name of its component."""
    shared = {status.__name__: _envelope(status, status.message()) for status in STATUSES if status not in WITH_DATA}
    own = {
        envelope_component(action, status): _envelope(status, message_of(action, status), ref(action.data_component))
        for action in actions
        for status in action.statuses
        if status in WITH_DATA
    }
    return own | shared


def envelope_component(action: Action, status: type[Status]) -> str:
    """The name of the component for an answer of `action` with `status`: its own where it contains data."""
    return f"{action.params_component}{status.__name__}" if status in WITH_DATA else status.__name__


def message_of(action: Action, status: type[Status]) -> str:
    """The message of an answer of `action` with `status`."""
    return action.success_message if status is ActionSuccessful else status.message()


def _envelope(status: type[Status], message: str, data: JSONSchema | None = None) -> JSONSchema:
    always: dict[str, JSONSchema] = {
        "status": {"type": "string", "const": status.name},
        "message": {"type": "string", "description": "One sentence for a person", "examples": [message]},
        "data": data or NULL,
        "request_id": {"type": "string", "description": f"As in the header {REQUEST_ID_HEADER}"},
    }
    if status is ClientRequired:
        always["session"] = ref("Session")
    if status in _WITH_ERRORS:
        always["errors"] = {"type": "array", "items": ref("ParamError"), "minItems": 1}
    schema = record(**always)
    if data is not None:
        schema["properties"] |= {"session": or_null(ref("Session")), "application": or_null(ref("Application"))}
    return {"description": message, **schema, "additionalProperties": False}
