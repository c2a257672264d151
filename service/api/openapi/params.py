"""The JSON Schema of an action's params, made from the schema that loads them."""

from typing import Any

from marshmallow import Schema

from service.api.openapi.records import JSONSchema

_TOKEN: JSONSchema = {
    "type": "string",
    "minLength": 1,
    "description": "The token of an application or a session. Required, unless the body has no `token` at all and "
    "the header `Authorization: Bearer` has one.",
}


def params_schema(converter: Any, schema: Schema) -> JSONSchema:
    """The JSON Schema of `schema`, made by apispec's `converter`, with the token added."""
    params = converter.schema2jsonschema(schema)
    return {
        **params,
        "properties": {"token": _TOKEN, **params["properties"]},
        "description": "Unknown params are ignored.",
    }
