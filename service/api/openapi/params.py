"""The schema of a create's params, made from the one that they are loaded by."""

from typing import Any

from marshmallow import Schema, fields

from service.api.openapi.records import JSONSchema
from service.domain.schemas import MAX_ID, Id

_DESCRIPTIONS = {
    "required": "What is required.",
    "requireable": "What requires it.",
    "key": "Kept and returned as it is sent. No NUL characters.",
    "value": "Kept and returned as it is sent. No NUL characters.",
    "session_view": "The view of the session to answer with. Not passed or null: none.",
    "application_view": "The view of the application to answer with. Not passed or null: none.",
}

_TOKEN: JSONSchema = {
    "type": "string",
    "minLength": 1,
    "description": "The token of an application or a session. Required, unless there is no `token` here at all and "
    "the header `Authorization: Bearer` has one.",
}


def params_schema(converter: Any, create_schema: Schema) -> JSONSchema:
    """The JSON Schema of `create_schema`, by apispec's converter, with the token and a description for each."""
    converter.add_attribute_function(_bounded)
    params = converter.schema2jsonschema(create_schema)
    told = {name: {**schema, "description": _DESCRIPTIONS[name]} for name, schema in params["properties"].items()}
    return {**params, "properties": {"token": _TOKEN, **told}, "description": "Unknown params are ignored."}


def _bounded(_converter: object, field: fields.Field[Any], **_: object) -> dict[str, Any]:
    """What the plugin cannot know of our own field for ids."""
    if not isinstance(field, Id):
        return {}
    return {
        "type": "integer",
        "format": "int64",
        "minimum": 1,
        "maximum": MAX_ID,
        "description": "A JSON integer. 5.0 is refused: it is no integer here, though JSON Schema calls it one.",
    }
