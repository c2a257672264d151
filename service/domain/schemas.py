"""The params of a create, judged without coercion; the OpenAPI document is made from the same schemas."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from marshmallow import EXCLUDE, Schema, ValidationError, fields, missing, validate

from service.domain.statuses import InvalidParam, MissingParam, ParamError
from service.domain.views import APPLICATION_VIEWS, SESSION_VIEWS

Params = Mapping[str, Any]

MAX_ID = 2**63 - 1
MAX_KEY_LENGTH = 255
MAX_VALUE_LENGTH = 4096

MISSING = "is required"
NO_NUL = "must not contain the NUL character"


class Reference(NamedTuple):
    """A polymorphic reference: the association type, and the id of a row of its table."""

    type: str
    id: int


class CreateParams(NamedTuple):
    """The params of a create, as far as they are written or shape the answer."""

    required: Reference
    requireable: Reference
    key: str | None
    value: str | None
    session_view: str | None
    application_view: str | None


class _Required(fields.Field[Any]):
    """What a required param adds to its field: an empty string is as good as absent."""

    def __init__(self, *args: Any, **rules: Any) -> None:
        messages = {"required": MISSING, "null": MISSING} | rules.pop("error_messages", {})
        super().__init__(*args, required=True, error_messages=messages, **rules)

    def deserialize(self, value: object, *args: Any, **kwargs: Any) -> Any:
        """As the field does, with an empty string taken for an absent param."""
        return super().deserialize(missing if value == "" else value, *args, **kwargs)


class Id(_Required):
    """A JSON integer that is no boolean, in PostgreSQL's positive bigints."""

    def _deserialize(self, value: object, *_: Any, **__: Any) -> int:
        if type(value) is not int or not 1 <= value <= MAX_ID:
            raise ValidationError(f"must be an integer from 1 to {MAX_ID}")
        return value


class _Type(_Required, fields.String):
    """The name of an association type."""


class _Reference(_Required, fields.Nested):
    """A hash of type and id."""


class _Hash(Schema):
    """A schema that ignores what it does not know."""

    class Meta:
        """Settings of every schema below."""

        unknown = EXCLUDE

    error_messages = {"type": "must be a hash of type and id"}  # noqa: RUF012 - marshmallow declares it so


def _text(max_length: int) -> fields.String:
    length = validate.Length(max=max_length, error=f"must be at most {max_length} characters long")
    return _nullable(length, validate.Regexp(r"^[^\u0000]*$", error=NO_NUL))


def _nullable(*rules: Any) -> fields.String:
    return fields.String(
        allow_none=True,
        load_default=None,
        validate=list(rules),
        error_messages={"invalid": "must be a string"},
    )


def _one_of(names: Iterable[str], rule: str) -> validate.OneOf:
    return validate.OneOf(sorted(names), error=rule)


def create_params_schema(association_types: Iterable[str]) -> Schema:
    """The schema of a create's params, for the configured association types. Load by `load_create_params`."""
    types = sorted(association_types)
    known_type = _one_of(types, f"must be one of {', '.join(types)}")
    reference = _Hash.from_dict(
        {"type": _Type(validate=known_type, error_messages={"invalid": "must be a string"}), "id": Id()},
        name="Reference",
    )
    params: dict[str, fields.Field[Any]] = {name: _Reference(reference) for name in ("required", "requireable")}
    params |= {
        "key": _text(MAX_KEY_LENGTH),
        "value": _text(MAX_VALUE_LENGTH),
        "session_view": _nullable(_one_of(SESSION_VIEWS, f"must be one of {', '.join(SESSION_VIEWS)}")),
        "application_view": _nullable(_one_of(APPLICATION_VIEWS, f"must be one of {', '.join(APPLICATION_VIEWS)}")),
    }
    return _Hash.from_dict(params, name="CreateRequirement")()


def load_create_params(schema: Schema, params: Params, *found: ParamError) -> CreateParams:
    """`params` as a create takes them. `found` are errors of other parts of the request, to be told with these.

    Raises `MissingParam`, or where nothing is missing `InvalidParam`.
    """
    try:
        values = schema.load(params)
    except ValidationError as error:
        raise _refusal((*_flatten(error.messages_dict), *found)) from None
    if found:
        raise InvalidParam(*found)
    return CreateParams(**values | {name: Reference(**values[name]) for name in ("required", "requireable")})


def _refusal(errors: Iterable[ParamError]) -> MissingParam | InvalidParam:
    absent = [error for error in errors if error.message == MISSING]
    return MissingParam(*absent) if absent else InvalidParam(*errors)


def _flatten(messages: Mapping[str, Any], prefix: str = "") -> Iterable[ParamError]:
    for name, inner in messages.items():
        path = prefix if name == "_schema" else f"{prefix}.{name}" if prefix else name
        if isinstance(inner, Mapping):
            yield from _flatten(inner, path)
        else:
            yield ParamError(path, inner[0])
