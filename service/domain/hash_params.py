"""Hashes in params, such as a filter with several parts."""

from collections.abc import Callable
from typing import Any

from marshmallow import ValidationError, fields

from service.domain.params import Params, ParamsSchema, check_all


class HashParam(fields.Nested):
    """An optional hash, loaded as a mapping of its values."""

    nested: Any

    def __init__(
        self, schema: type[ParamsSchema], description: str, *, rule: Callable[[Params], str | None] | None = None
    ) -> None:
        """`rule` finds a problem with the hash as a whole, given its valid values."""
        self.rule = rule or (lambda _: None)
        super().__init__(schema, metadata={"description": description}, allow_none=True, load_default=None)

    def checked(self, value: Any) -> dict[str, Any] | None:
        """The values; None if the hash is invalid."""
        values = check_all(self.schema, value) if type(value) is dict else None  # type: ignore[arg-type]  # a ParamsSchema
        return None if values is None or self.rule(values) is not None else values

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        values = super()._deserialize(value, *args, **kwargs)
        problem = self.rule(values)
        if problem is not None:
            raise ValidationError(problem)
        return values


def hash_schema(name: str, **fields_of_hash: fields.Field[Any]) -> type[ParamsSchema]:
    """The schema of a hash in the params. `name` is that of its component in the OpenAPI document."""
    schema: Any = ParamsSchema.from_dict(dict(fields_of_hash), name=name)
    schema.error_messages = {"type": f"must be a hash of {' and '.join(fields_of_hash)}"}
    return schema  # type: ignore[no-any-return]  # made above
