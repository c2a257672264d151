"""Params that are lists, and the items in them."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from marshmallow import ValidationError, fields, missing

from service.domain.params import MISSING, Param, ParamsSchema, check_all, id_param, load_params
from service.domain.statuses import InvalidParam, MissingParam, ParamError

id_rule = id_param().rule


class ItemsParam(fields.Nested):
    """A list of hashes, of which only the bounds are checked with the other params: see `check_items`."""

    nested: Any

    def __init__(self, schema: type[ParamsSchema], description: str, *, at_least: int, at_most: int) -> None:
        """`at_least` and `at_most` are numbers of items."""
        self.at_least, self.at_most = at_least, at_most
        self.item_schema = schema()
        bounds = {"minItems": at_least, "maxItems": at_most, "description": description}
        super().__init__(schema, many=True, metadata=bounds, required=True)

    def checked(self, value: Any) -> list[Any] | None:
        """The list as it was sent; None if it is not a list of so many items."""
        return None if list_problem(value, self.at_least, self.at_most) else value

    def deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        """As `checked`; an empty string counts as an absent value."""
        if value is missing or value is None or value == "":
            raise ValidationError(MISSING)
        problem = list_problem(value, self.at_least, self.at_most)
        if problem is not None:
            raise ValidationError(problem)
        return value


def list_problem(value: Any, at_least: int, at_most: int) -> str | None:
    """The problem with a value that must be a list of so many items, or None."""
    if type(value) is list and at_least <= len(value) <= at_most:
        return None
    return f"must be a list of {at_least} to {at_most} items"


def check_items(schema: ParamsSchema, items: Sequence[Any], first: int, prefix: str) -> Iterator["CheckedItem"]:
    """Check items of a list, of which the first one is at the place `first`, by the schema of an item.

    Errors name the parts at fault by `prefix`, the place of the item and the path within it.
    """
    for place, item in enumerate(items, first):
        values = check_all(schema, item) if type(item) is dict else None
        yield (
            CheckedItem(values, None) if values is not None else CheckedItem(None, _fault(schema, item, prefix, place))
        )


class CheckedItem(NamedTuple):
    """The values of an item, or the refusal of it."""

    values: dict[str, Any] | None
    refusal: MissingParam | InvalidParam | None


def _fault(schema: ParamsSchema, item: Any, prefix: str, place: int) -> MissingParam | InvalidParam:
    path = f"{prefix}.{place}"
    if item is None or item == "":
        return MissingParam(ParamError(path, MISSING))
    if type(item) is not dict:
        return InvalidParam(ParamError(path, "must be a hash"))
    try:
        load_params(schema, item)
    except (MissingParam, InvalidParam) as refusal:
        return type(refusal)(*(ParamError(f"{path}.{error.param}", error.message) for error in refusal.errors))
    raise AssertionError("the fast check and marshmallow disagree")


def ids_param(at_most: int, description: str) -> Param:
    """A required list of 1 to `at_most` items. That they are ids is left to `id_rule`."""
    json_schema = {"type": "array", "items": _item_schema(id_param()), "minItems": 1, "maxItems": at_most}
    return Param(
        lambda value: list_problem(value, 1, at_most),
        required=True,
        json_schema={**json_schema, "uniqueItems": True, "description": description},
    )


def texts_param(at_most: int, text: Param, description: str) -> Param:
    """An optional list of at most `at_most` texts or nulls. That they keep to the rule of `text` is left to it."""
    items = {**_item_schema(text), "type": ["string", "null"]}
    json_schema = {"type": "array", "items": items, "maxItems": at_most, "description": description}
    return Param(lambda value: list_problem(value, 0, at_most), json_schema=json_schema)


def _item_schema(param: Param) -> dict[str, Any]:
    return {name: rule for name, rule in param.metadata.items() if name != "description"}
