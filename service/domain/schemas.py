"""The params of each action. The OpenAPI document is made from the same schemas.

A schema is a function of the configured association types.
"""

from collections.abc import Callable, Collection

from service.domain.params import ParamsSchema, ReferenceParam, choice_param, id_param, text_param
from service.domain.views import APPLICATION_VIEWS, SESSION_VIEWS

MAX_KEY_LENGTH = 255
MAX_VALUE_LENGTH = 4096

SchemaFactory = Callable[[Collection[str]], ParamsSchema]


def create_schema(association_types: Collection[str]) -> ParamsSchema:
    """The params of `create`."""
    reference = _reference(association_types)
    return _schema(
        required=ReferenceParam(reference, "What is required."),
        requireable=ReferenceParam(reference, "What requires it."),
        key=text_param(MAX_KEY_LENGTH, "Stored and returned as sent. No NUL characters."),
        value=text_param(MAX_VALUE_LENGTH, "Stored and returned as sent. No NUL characters."),
    )


def read_schema(_association_types: Collection[str]) -> ParamsSchema:
    """The params of `read`."""
    return _schema(id=id_param())


def _reference(association_types: Collection[str]) -> type[ParamsSchema]:
    fields = {"type": choice_param(association_types, required=True), "id": id_param()}
    return ParamsSchema.from_dict(fields, name="Reference")  # type: ignore[return-value, arg-type]


def _schema(**fields: object) -> ParamsSchema:
    """The schema of an action's own params, and of the views that every action takes."""
    views = {
        "session_view": choice_param(SESSION_VIEWS, "The view of the session to return. Null or absent: none."),
        "application_view": choice_param(
            APPLICATION_VIEWS, "The view of the application to return. Null or absent: none."
        ),
    }
    return ParamsSchema.from_dict({**fields, **views})()  # type: ignore[return-value, dict-item]
