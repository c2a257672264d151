"""The schema of each status's envelope, made from the table of statuses."""

from service.api.middlewares.request_context import REQUEST_ID_HEADER
from service.api.openapi.records import APPLICATION, SESSION, JSONSchema, or_null, record, ref
from service.domain.statuses import (
    STATUSES,
    ActionSuccessful,
    ClientRequired,
    InvalidParam,
    MandrillEmailFailed,
    MissingParam,
    Status,
)

_RECORDED = (ActionSuccessful, MandrillEmailFailed)
_EXPLAINED = (MissingParam, InvalidParam)


def envelopes() -> dict[str, JSONSchema]:
    """The schema of every status's envelope, by the name of its component."""
    return {status.__name__: _envelope(status) for status in STATUSES}


def _envelope(status: type[Status]) -> JSONSchema:
    views: dict[str, JSONSchema] = {}
    if status in _RECORDED:
        views = {"session": or_null(SESSION), "application": or_null(APPLICATION)}
    always: dict[str, JSONSchema] = {
        "status": {"type": "string", "const": status.name},
        "message": {"type": "string", "description": "One sentence for a person", "examples": [status.message()]},
        "data": ref("Requirement") if status in _RECORDED else {"type": "null"},
        "request_id": {"type": "string", "description": f"As in the header {REQUEST_ID_HEADER}"},
    }
    if status is ClientRequired:
        always["session"] = SESSION
    if status in _EXPLAINED:
        always["errors"] = {"type": "array", "items": ref("ParamError"), "minItems": 1}
    schema = record(**always)
    schema["properties"] |= views
    return {"description": status.message(), **schema, "additionalProperties": False}
