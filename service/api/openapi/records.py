"""The JSON Schemas of the records in answers: a requirement, and the views of a session and an application."""

from typing import Any

JSONSchema = dict[str, Any]

MOMENT = "2026-11-23T10:00:00.123456Z"

_ID: JSONSchema = {"type": "integer", "format": "int64", "minimum": 1}
_TEXT: JSONSchema = {"type": "string"}
_FLAG: JSONSchema = {"type": "boolean"}
_MOMENT: JSONSchema = {
    "type": "string",
    "format": "date-time",
    "description": "RFC 3339, in UTC with microseconds",
    "examples": [MOMENT],
}


def ref(name: str) -> JSONSchema:
    """The component schema called `name`."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(**properties: JSONSchema) -> JSONSchema:
    """An object that always has all of these properties."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def nullable(schema: JSONSchema) -> JSONSchema:
    """`schema`, or null."""
    return {**schema, "type": [schema["type"], "null"]}


_APPLICATION: dict[str, JSONSchema] = {"id": _ID, "slug": _TEXT, "name": _TEXT}
_SESSION: dict[str, JSONSchema] = {
    "id": _ID,
    "token": {**_TEXT, "description": "The token that was sent"},
    "application_id": nullable(_ID),
    "user_id": _ID,
    "remember_me": _FLAG,
    "created_at": _MOMENT,
    "last_used_at": {**_MOMENT, "description": "Before this use of it"},
    "expires_at": {**nullable(_MOMENT), "description": "When it ends if it is not used again; null with remember_me"},
}

RECORDS: dict[str, JSONSchema] = {
    "Requirement": record(
        id=_ID,
        required=ref("Reference"),
        requireable=ref("Reference"),
        key=nullable(_TEXT),
        value=nullable(_TEXT),
        created_at=_MOMENT,
        updated_at=_MOMENT,
    ),
    "SessionDefault": record(**_SESSION),
    "SessionDetailed": record(
        **_SESSION,
        user=record(id=_ID, email=_TEXT),
        roles={"type": "array", "items": {"type": "string", "enum": ["client", "employee", "liaison"]}},
    ),
    "ApplicationDefault": record(**_APPLICATION),
    "ApplicationDetailed": record(**_APPLICATION, active=_FLAG, created_at=_MOMENT, updated_at=_MOMENT),
    "ParamError": record(
        param={"type": "string", "description": "The dotted path of the part at fault", "examples": ["required.id"]},
        message=_TEXT,
    ),
}

# The detailed view comes first: whatever matches it also matches the default view.
SESSION: JSONSchema = {"anyOf": [ref("SessionDetailed"), ref("SessionDefault")]}
APPLICATION: JSONSchema = {"anyOf": [ref("ApplicationDetailed"), ref("ApplicationDefault")]}


def or_null(schema: JSONSchema) -> JSONSchema:
    """One of the choices of `schema`, or null."""
    return {"anyOf": [*schema["anyOf"], {"type": "null"}]}


# An example of each component that an action can name as its data.
RECORD_EXAMPLES: dict[str, dict[str, Any]] = {
    "Requirement": {
        "id": 41,
        "required": {"type": "Service", "id": 1},
        "requireable": {"type": "Application", "id": 1},
        "key": "tier",
        "value": "gold",
        "created_at": MOMENT,
        "updated_at": MOMENT,
    }
}
