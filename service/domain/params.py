"""Reading the params of a create: at a glance where nothing is wrong with them, else by the schema."""

from collections.abc import Container, Iterable
from typing import Any

from service.domain.schemas import (
    MAX_ID,
    MAX_KEY_LENGTH,
    MAX_VALUE_LENGTH,
    CreateParams,
    Params,
    Reference,
    create_params_schema,
    load_create_params,
)
from service.domain.statuses import ParamError
from service.domain.views import APPLICATION_VIEWS, SESSION_VIEWS


class CreateParamsReader:
    """Reads params as the schema does, which says what is wrong but takes fifty times as long as a glance."""

    def __init__(self, association_types: Iterable[str]) -> None:
        """`association_types` are the types that a reference may have."""
        self._types = frozenset(association_types)
        self.schema = create_params_schema(self._types)

    def read(self, params: Params, *found: ParamError) -> CreateParams:
        """`params` as a create takes them. `found` are errors of other parts of the request, to be told with these.

        Raises `MissingParam`, or where nothing is missing `InvalidParam`.
        """
        glanced = None if found else self.glance(params)
        return glanced or load_create_params(self.schema, params, *found)

    def glance(self, params: Params) -> CreateParams | None:
        """`params` as the schema would load them if they are surely valid, else None."""
        get = params.get
        required, requireable = self._reference(get("required")), self._reference(get("requireable"))
        key, value = get("key"), get("value")
        session_view, application_view = get("session_view"), get("application_view")
        if required is None or requireable is None:
            return None
        if not (_fits(key, MAX_KEY_LENGTH) and _fits(value, MAX_VALUE_LENGTH)):
            return None
        if not (_is_view(session_view, SESSION_VIEWS) and _is_view(application_view, APPLICATION_VIEWS)):
            return None
        return CreateParams(required, requireable, key, value, session_view, application_view)

    def _reference(self, value: Any) -> Reference | None:
        if type(value) is not dict:
            return None
        association_type, row_id = value.get("type"), value.get("id")
        if type(association_type) is not str or association_type not in self._types:
            return None
        if type(row_id) is not int or not 1 <= row_id <= MAX_ID:
            return None
        return Reference(association_type, row_id)


def _fits(text: Any, max_length: int) -> bool:
    return text is None or (type(text) is str and len(text) <= max_length and "\0" not in text)


def _is_view(name: Any, views: Container[str]) -> bool:
    return name is None or (type(name) is str and name in views)
