"""The params of an action: fields that check without coercion, and the loader that reads them.

Each field states its rule once, as a function. The loader first applies these functions directly, which is fast, and
uses marshmallow only to say what is wrong.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from marshmallow import EXCLUDE, Schema, ValidationError, fields, missing

from service.domain.references import MAX_ID, Reference
from service.domain.statuses import InvalidParam, MissingParam, ParamError
from service.domain.times import parse_time

Params = Mapping[str, Any]
Rule = Callable[[Any], str | None]  # the problem with a value, or None

MISSING = "is required"
NO_NUL = "must not contain the NUL character"


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

    def checked(self, value: Any) -> Reference | None:
        """The reference; None if it is invalid."""
        if type(value) is not dict:
            return None
        name, number = value.get("type"), value.get("id")
        type_rule, id_rule = self._rules
        if name is None or number is None or type_rule(name) is not None or id_rule(number) is not None:
            return None
        return Reference(name, number)

    @cached_property
    def _rules(self) -> tuple[Rule, Rule]:
        """The rules of `type` and of `id`, which are both required."""
        return self.schema.fields["type"].rule, self.schema.fields["id"].rule  # type: ignore[attr-defined]  # of Param

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

    # The params of which at least one must be passed. If none is, the first is reported as missing.
    at_least_one: tuple[str, ...] = ()

    error_messages = {"type": "must be a hash of type and id"}  # noqa: RUF012 - marshmallow declares it so

    @cached_property
    def quick_checks(self) -> tuple["_QuickCheck", ...]:
        """What `check_all` needs of each field, read once."""
        return tuple(
            _QuickCheck(
                name,
                field.rule if isinstance(field, Param) else None,
                getattr(field, "checked", None),
                field.required,
                field.load_default,
            )
            for name, field in self.fields.items()
        )


class _QuickCheck(NamedTuple):
    """One field: its rule, or for a hash the function that loads it; and what an absent value means."""

    name: str
    rule: Rule | None
    load: Callable[[Any], Any] | None
    required: bool
    default: Any


def check_all(schema: "ParamsSchema", params: Params) -> dict[str, Any] | None:
    """The values of the schema's fields if all of them are valid, else None. Absent params have their default."""
    if schema.at_least_one and not _has_one(schema, params):
        return None
    values = {}
    for name, rule, load, required, default in schema.quick_checks:
        value = params.get(name)
        if value is None:
            if required:
                return None
            if default is missing and name not in params:
                continue
        elif rule is not None:
            if rule(value) is not None:
                return None
        elif load is None or (value := load(value)) is None:
            return None
        values[name] = value
    return values


def load_params(schema: ParamsSchema, params: Params, *other_errors: ParamError) -> dict[str, Any]:
    """The values of the schema's fields. `other_errors` were found in other parts of the request.

    Raises `MissingParam`, naming everything that is missing, or else `InvalidParam`, naming everything that is invalid.
    """
    values = None if other_errors else check_all(schema, params)
    return values if values is not None else _explain(schema, params, other_errors)


def _has_one(schema: ParamsSchema, params: Params) -> bool:
    return not schema.at_least_one or any(name in params for name in schema.at_least_one)


def _explain(schema: ParamsSchema, params: Params, other_errors: Iterable[ParamError]) -> dict[str, Any]:
    errors = list(other_errors)
    values: dict[str, Any] = {}
    try:
        values = schema.load(params)
    except ValidationError as error:
        errors = [*_flatten(error.messages_dict), *errors]
    if not _has_one(schema, params):
        errors.append(ParamError(schema.at_least_one[0], MISSING))
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


def id_param(*, required: bool = True) -> Param:
    """An id: a JSON integer, not a boolean, within PostgreSQL's positive bigints."""
    description = "A JSON integer. 5.0 is refused: here it is not an integer, although JSON Schema accepts it as one."
    return integer_param(MAX_ID, description, required=required, format="int64")


def integer_param(
    maximum: int, description: str, *, minimum: int = 1, required: bool = False, **json_schema: Any
) -> Param:
    """A JSON integer, not a boolean, from `minimum` to `maximum`."""
    problem = f"must be an integer from {minimum} to {maximum}"

    def rule(value: Any) -> str | None:
        return None if type(value) is int and minimum <= value <= maximum else problem

    bounds = {"type": "integer", **json_schema, "minimum": minimum, "maximum": maximum}
    return Param(rule, required=required, json_schema={**bounds, "description": description})


def time_param(description: str) -> Param:
    """An optional time: text in RFC 3339 with a zone. It is returned as it was sent."""

    def rule(value: Any) -> str | None:
        if type(value) is not str:
            return "must be a string"
        return None if parse_time(value) is not None else "must be a time with a zone, such as 2026-11-23T10:00:00Z"

    return Param(rule, json_schema={"type": "string", "format": "date-time", "description": description})


def text_param(max_length: int, description: str, default: Any = None, *, required: bool = False) -> Param:
    """A text of at most `max_length` characters, without NUL; not empty if it is required. `default` as for `Param`."""
    too_long = f"must be at most {max_length} characters long"

    def rule(value: Any) -> str | None:
        if type(value) is not str:
            return "must be a string"
        if required and not value:
            return MISSING
        if len(value) > max_length:
            return too_long
        return NO_NUL if "\0" in value else None

    json_schema: dict[str, Any] = {"type": "string", "maxLength": max_length, "pattern": r"^[^\u0000]*$"}
    if required:
        json_schema["minLength"] = 1
    return Param(rule, required=required, default=default, json_schema={**json_schema, "description": description})


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
