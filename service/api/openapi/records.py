"""The JSON Schemas of the records in answers: a requirement, and the views of a session and an application."""

from typing import Any

from service.domain.closures import MAX_THINGS
from service.domain.graph import MAX_DEPTH
from service.domain.lists import MAX_COUNT, MAX_PAGE_SIZE

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


def or_null(schema: JSONSchema) -> JSONSchema:
    """`schema`, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def record(**properties: JSONSchema) -> JSONSchema:
    """An object that always has all of these properties."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def nullable(schema: JSONSchema) -> JSONSchema:
    """`schema`, or null."""
    return {**schema, "type": [schema["type"], "null"]}


def _requirement_list() -> JSONSchema:
    cursor = {**nullable(_TEXT), "description": "Where the next page starts; null if there is nothing more"}
    schema = record(
        results={"type": "array", "items": ref("Requirement")},
        complete={**_FLAG, "description": "Whether there is nothing more after this page"},
        page=record(size={"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE}, next=cursor),
    )
    schema["properties"] |= {
        "count": {
            "type": "integer",
            "minimum": 0,
            "maximum": MAX_COUNT,
            "description": "The number of requirements that pass the filters, if it was asked for",
        },
        # Not a constant: openapi-python-client makes invalid Python of one that is true.
        "count_is_at_least": {**_FLAG, "description": "True: there are that many, maybe more, since counting ended"},
    }
    return schema


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


def _closure() -> JSONSchema:
    cursor = {**nullable(_TEXT), "description": "Where the next page starts; null if there is nothing more"}
    depth = {"type": "integer", "minimum": 1, "maximum": MAX_DEPTH, "description": "The least one"}
    reached = record(type=_TEXT, id=_ID, depth=depth, requirement_id=_ID)
    closing = record(requirement_id=_ID, requireable=ref("Reference"), required=ref("Reference"))
    return record(
        results={"type": "array", "items": reached, "maxItems": MAX_THINGS},
        complete={**_FLAG, "description": "Whether there is nothing more after this page"},
        page=record(size={"type": "integer", "minimum": 1, "maximum": MAX_THINGS}, next=cursor),
        cycles={"type": "array", "items": closing, "description": "The requirements that close a cycle"},
    )


def _path() -> JSONSchema:
    return record(path={"type": ["array", "null"], "items": ref("Requirement"), "maxItems": MAX_DEPTH})


# In answers, names are not a closed list: a client must not fail on an association type or a role that was added later.
_TYPE: JSONSchema = {**_TEXT, "description": "An association type. More may be added.", "examples": ["Service"]}
_ROLE: JSONSchema = {**_TEXT, "description": "More may be added.", "examples": ["client", "employee", "liaison"]}


def _change_list() -> JSONSchema:
    cursor = {**_TEXT, "description": "The position of the event, for `after`"}
    caller = record(application_id=nullable(_ID), user_id=nullable(_ID), session_id=nullable(_ID))
    event = record(
        cursor=cursor,
        change={"type": "string", "enum": ["created", "updated", "destroyed"]},
        requirement={**ref("Requirement"), "description": "After the change; if it was destroyed, before"},
        caller={**caller, "description": "Who made the change. All are null if other software made it"},
        request_id={**nullable(_TEXT), "description": "The call that made it; null if other software made it"},
        at=_MOMENT,
    )
    return record(
        results={"type": "array", "items": event, "maxItems": MAX_PAGE_SIZE},
        complete={**_FLAG, "description": "Whether nothing more can be read now"},
        next={**_TEXT, "description": "Where the next page starts; the same as `after` if there was nothing new"},
    )


RECORDS: dict[str, JSONSchema] = {
    "StoredReference": record(type=_TYPE, id=_ID),
    "Requirement": record(
        id=_ID,
        required=ref("StoredReference"),
        requireable=ref("StoredReference"),
        key=nullable(_TEXT),
        value=nullable(_TEXT),
        created_at=_MOMENT,
        updated_at=_MOMENT,
    ),
    "RequirementList": _requirement_list(),
    "Closure": _closure(),
    "Path": _path(),
    "ChangeList": _change_list(),
    "SessionDefault": record(**_SESSION),
    "SessionDetailed": record(
        **_SESSION,
        user=record(id=_ID, email=_TEXT),
        roles={"type": "array", "items": _ROLE},
    ),
    "ApplicationDefault": record(**_APPLICATION),
    "ApplicationDetailed": record(**_APPLICATION, active=_FLAG, created_at=_MOMENT, updated_at=_MOMENT),
    "Verdicts": record(
        results={"type": "array", "items": ref("Verdict"), "description": "One for each item, in order"},
        succeeded={"type": "integer", "minimum": 0},
        failed={"type": "integer", "minimum": 0},
    ),
    "Verdict": record(
        status={"type": "string", "enum": ["action-successful", "missing-param", "invalid-param", "application-crash"]},
        outcome={"type": "string", "enum": ["created", "destroyed", "replayed", "none"]},
        data={"anyOf": [ref("Requirement"), {"type": "null"}]},
        errors={"type": "array", "items": ref("ParamError"), "description": "Their params are named from the call on"},
    ),
    "SyncResults": record(
        results={
            "type": "array",
            "items": ref("SyncResult"),
            "description": "One for each item, in order, then one for each deleted requirement, by id",
        },
    ),
    "SyncResult": record(
        change={"type": "string", "enum": ["created", "updated", "destroyed", "kept"]},
        requirement={"anyOf": [ref("Requirement"), ref("PlannedRequirement")]},
    ),
    "PlannedRequirement": {
        "description": "What a dry run would create: without id and times",
        **record(
            id=nullable(_ID),
            required=ref("StoredReference"),
            requireable=ref("StoredReference"),
            key=nullable(_TEXT),
            value=nullable(_TEXT),
            created_at=nullable(_MOMENT),
            updated_at=nullable(_MOMENT),
        ),
    },
    # The detailed view comes first: whatever matches it also matches the default view.
    "Session": {"anyOf": [ref("SessionDetailed"), ref("SessionDefault")]},
    "Application": {"anyOf": [ref("ApplicationDetailed"), ref("ApplicationDefault")]},
    "ParamError": record(
        param={"type": "string", "description": "The dotted path of the part at fault", "examples": ["required.id"]},
        message=_TEXT,
    ),
}

_REQUIREMENT_EXAMPLE = {
    "id": 41,
    "required": {"type": "Service", "id": 1},
    "requireable": {"type": "Application", "id": 1},
    "key": "tier",
    "value": "gold",
    "created_at": MOMENT,
    "updated_at": MOMENT,
}

# An example of each component that an action can name as its data.
RECORD_EXAMPLES: dict[str, dict[str, Any]] = {
    "Requirement": _REQUIREMENT_EXAMPLE,
    "RequirementList": {
        "results": [_REQUIREMENT_EXAMPLE],
        "complete": True,
        "page": {"size": 10, "next": None},
        "count": 1,
    },
    "Closure": {
        "results": [{"type": "Service", "id": 1, "depth": 1, "requirement_id": 41}],
        "complete": True,
        "page": {"size": MAX_THINGS, "next": None},
        "cycles": [],
    },
    "Path": {"path": [_REQUIREMENT_EXAMPLE]},
    "Verdicts": {
        "results": [
            {"status": "action-successful", "outcome": "created", "data": _REQUIREMENT_EXAMPLE, "errors": []},
            {
                "status": "invalid-param",
                "outcome": "none",
                "data": None,
                "errors": [{"param": "requirements.1.required.id", "message": "does not exist"}],
            },
        ],
        "succeeded": 1,
        "failed": 1,
    },
    "SyncResults": {"results": [{"change": "kept", "requirement": _REQUIREMENT_EXAMPLE}]},
    "ChangeList": {
        "results": [
            {
                "cursor": "QfH8vbQ0X7dG2mXkqUO3dYwP1sJ5dA",
                "change": "created",
                "requirement": _REQUIREMENT_EXAMPLE,
                "caller": {"application_id": 1, "user_id": None, "session_id": None},
                "request_id": "0123456789abcdef0123456789abcdef",
                "at": MOMENT,
            }
        ],
        "complete": True,
        "next": "QfH8vbQ0X7dG2mXkqUO3dYwP1sJ5dA",
    },
}
