"""The params of an action: fields that check without coercion, and the loader that reads them.

Each field states its rule once, as a function. The loader first applies these functions directly, which is fast, and
uses marshmallow only to say what is wrong.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, missing

from service.domain.references import MAX_ID, Reference
from service.domain.statuses import InvalidParam, MissingParam, ParamError

Params = Mapping[str, Any]
Rule = Callable[[Any], str | None]  # the problem with a value, or None

MISSING = "is required"
NO_NUL = "must not contain the NUL character"

_INVALID: Any = object()


class Param(fields.Field[Any]):
    """A param whose value is returned as it was sent, or refused by its rule."""

    def __init__(
        self, rule: Rule, *, required: bool = False, default: Any = None, json_schema: Mapping[str, Any]
    ) -> None:
        """`json_schema` describes the same rule in the OpenAPI document.

        `default` is the value of an absent optional param; with marshmallow's `missing` it is left out of the values,
        so that an action can tell it from null.
        """
        self.rule = rule
        super().__init__(metadata=dict(json_schema), **_presence(required=required, default=default))

    def checked(self, value: Any) -> Any:
        """The value, or `_INVALID`."""
        return value if self.rule(value) is None else _INVALID

    def deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        """As marshmallow does; an empty string counts as an absent value where one is required."""
        return super().deserialize(missing if self.required and value == "" else value, *args, **kwargs)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        problem = self.rule(value)
        if problem is not None:
            raise ValidationError(problem)
        return value


class ReferenceParam(fields.Nested):
    """A hash of `type` and `id`, loaded as a `Reference`."""

    nested: Any

    def __init__(self, schema: type["ParamsSchema"], description: str) -> None:
        super().__init__(schema, metadata={"description": description}, **_presence(required=True))

    def checked(self, value: Any) -> Any:
        """The reference, or `_INVALID`."""
        values = check_all(self.schema, value) if type(value) is dict else None
        return _INVALID if values is None else Reference(**values)

    def deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        """As marshmallow does; an empty string counts as an absent value."""
        loaded = super().deserialize(missing if value == "" else value, *args, **kwargs)
        return Reference(**loaded) if loaded else loaded


def _presence(*, required: bool, default: Any = None) -> dict[str, Any]:
    if required:
        return {"required": True, "error_messages": {"required": MISSING, "null": MISSING}}
    return {"allow_none": True, "load_default": default}


class ParamsSchema(Schema):
    """A schema that ignores unknown params."""

    class Meta:
        """Settings of every schema of params."""

        unknown = EXCLUDE

    error_messages = {"type": "must be a hash of type and id"}  # noqa: RUF012 - marshmallow declares it so


def check_all(schema: Any, params: Params) -> dict[str, Any] | None:
    """The values of the schema's fields if all of them are valid, else None. Absent params have their default."""
    values = {}
    for name, field in schema.fields.items():
        value = params.get(name)
        if value is None:
            if field.required:
                return None
            if name not in params and field.load_default is missing:
                continue
        else:
            value = field.checked(value)
            if value is _INVALID:
                return None
        values[name] = value
    return values


def load_params(schema: Schema, params: Params, *other_errors: ParamError) -> dict[str, Any]:
    """The values of the schema's fields. `other_errors` were found in other parts of the request.

    Raises `MissingParam`, naming everything that is missing, or else `InvalidParam`, naming everything that is invalid.
    """
    values = None if other_errors else check_all(schema, params)
    return values if values is not None else _explain(schema, params, other_errors)


def _explain(schema: Schema, params: Params, other_errors: Iterable[ParamError]) -> dict[str, Any]:
    errors = list(other_errors)
    values: dict[str, Any] = {}
    try:
        values = schema.load(params)
    except ValidationError as error:
        errors = [*_flatten(error.messages_dict), *errors]
    absent = [error for error in errors if error.message == MISSING]
    if absent:
        raise MissingParam(*absent)
    if errors:
        raise InvalidParam(*errors)
    return values


def _flatten(messages: Mapping[str, Any], prefix: str = "") -> Iterable[ParamError]:
    for name, inner in messages.items():
        path = prefix if name == "_schema" else f"{prefix}.{name}" if prefix else name
        if isinstance(inner, Mapping):
            yield from _flatten(inner, path)
        else:
            yield ParamError(path, inner[0])


def id_param() -> Param:
    """A required id: a JSON integer, not a boolean, within PostgreSQL's positive bigints."""

    def rule(value: Any) -> str | None:
        if type(value) is not int or not 1 <= value <= MAX_ID:
            return f"must be an integer from 1 to {MAX_ID}"
        return None

    description = "A JSON integer. 5.0 is refused: here it is not an integer, although JSON Schema accepts it as one."
    bounds = {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_ID}
    return Param(rule, required=True, json_schema={**bounds, "description": description})


def text_param(max_length: int, description: str) -> Param:
    """An optional text of at most `max_length` characters, without NUL."""
    too_long = f"must be at most {max_length} characters long"

    def rule(value: Any) -> str | None:
        if type(value) is not str:
            return "must be a string"
        if len(value) > max_length:
            return too_long
        return NO_NUL if "\0" in value else None

    json_schema = {"type": "string", "maxLength": max_length, "pattern": r"^[^\u0000]*$"}
    return Param(rule, json_schema={**json_schema, "description": description})


def choice_param(choices: Iterable[str], description: str = "", *, required: bool = False) -> Param:
    """One of the given strings."""
    names = sorted(choices)
    known, problem = frozenset(names), f"must be one of {', '.join(names)}"

    def rule(value: Any) -> str | None:
        if type(value) is not str:
            return "must be a string"
        return None if value in known else problem

    json_schema: dict[str, Any] = {"type": "string", "enum": names}
    if not required:
        json_schema = {"type": "string", "enum": [*names, None]}
    return Param(
        rule, required=required, json_schema=json_schema | ({"description": description} if description else {})
    )
