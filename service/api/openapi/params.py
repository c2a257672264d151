"""The JSON Schema of an action's params, made from the schema that loads them."""

from collections.abc import Mapping
from typing import Any

from service.api.openapi.records import JSONSchema, or_null, ref
from service.domain.params import ParamsSchema

_TOKEN: JSONSchema = {
    "type": "string",
    "minLength": 1,
    "description": "The token of an application or a session. Required, unless the body has no `token` at all and "
    "the header `Authorization: Bearer` has one.",
}

# Choices that every action has: one component for all of them.
_SHARED = {"session_view": "SessionView", "application_view": "ApplicationView"}


def params_schema(converter: Any, schema: ParamsSchema) -> JSONSchema:
    """The JSON Schema of `schema`, made by apispec's `converter`, with the token added."""
    params = converter.schema2jsonschema(schema)
    # "Not all of them are absent": from anyOf, generators of clients would make a union of types without params.
    absent: JSONSchema = {"properties": {name: {"not": {}} for name in schema.at_least_one}}
    choice = {"not": absent} if schema.at_least_one else {}
    return {
        **params,
        **choice,
        "properties": {"token": _TOKEN, **params["properties"]},
        "description": "Unknown params are ignored.",
    }


def for_generators(components: Mapping[str, JSONSchema]) -> dict[str, JSONSchema]:
    """The same rules as `components`, in the form that generators of clients make the simplest types of.

    An enum that contains null would become several types: it is a component of its own, or null. So is an enum of the
    items of a list. No default is null: a param with one would be required.
    """
    choices: dict[str, JSONSchema] = {}
    simple = {name: _simple(name, schema, choices) for name, schema in components.items()}
    return simple | choices


def _simple(owner: str, schema: JSONSchema, choices: dict[str, JSONSchema]) -> JSONSchema:
    simple = dict(schema)
    if "properties" in schema:
        simple["properties"] = {
            name: _property(owner, name, rules, choices) for name, rules in schema["properties"].items()
        }
    return simple


def _property(owner: str, name: str, schema: JSONSchema, choices: dict[str, JSONSchema]) -> JSONSchema:
    component = _SHARED.get(name, owner + "".join(map(str.title, name.split("_"))))
    rules = {key: rule for key, rule in schema.items() if (key, rule) != ("default", None)}
    if "enum" in rules.get("items", {}):
        choices[component] = rules["items"]
        return rules | {"items": ref(component)}
    if None in rules.get("enum", ()):
        choices[component] = {"type": "string", "enum": [choice for choice in rules["enum"] if choice is not None]}
        return {key: rule for key, rule in rules.items() if key not in {"type", "enum"}} | or_null(ref(component))
    return _simple(component, rules, choices)
