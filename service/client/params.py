"""How arguments become params. What is not passed is left out; None is sent as null."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Final

from service.client.records import NewRequirement, Reference, WantedRequirement

Params = dict[str, Any]


class NotPassed(Enum):
    """The type of `NOT_PASSED`."""

    NOT_PASSED = "not passed"


NOT_PASSED: Final = NotPassed.NOT_PASSED
"""Stands for an argument that was not passed, where None means null."""


def passed(**params: Any) -> Params:
    """The params that were passed."""
    return {name: value for name, value in params.items() if value is not NOT_PASSED}


def given(**params: Any) -> Params:
    """The params that are not None, for those to which null means the same as not passed."""
    return {name: value for name, value in params.items() if value is not None}


def reference_param(reference: Reference) -> Params:
    """A reference as a param."""
    return {"type": reference.type, "id": reference.id}


def filter_params(
    required: Reference | str | None, requireable: Reference | str | None, key: str | NotPassed | None
) -> Params:
    """The filters that lists and the feed share."""
    return given(required=_reference_filter(required), requireable=_reference_filter(requireable)) | passed(key=key)


def caller_and_created_params(
    application_id: int | None,
    user_id: int | None,
    created_from: datetime | str | None,
    created_until: datetime | str | None,
) -> Params:
    """The filters of `index` by the caller and the time of creation."""
    caller = given(application_id=application_id, user_id=user_id)
    created = given(**{"from": _time_param(created_from), "until": _time_param(created_until)})
    return given(caller=caller or None, created=created or None)


def search_params(term: str | None, attributes: Sequence[str] | None) -> Params:
    """The search of `index`."""
    return {} if term is None else {"search": given(term=term, attributes=attributes and list(attributes))}


def new_requirement_param(new: NewRequirement) -> Params:
    """An item of `create_many`."""
    return wanted_requirement_param(new) | {"requireable": reference_param(new.requireable)}


def wanted_requirement_param(wanted: NewRequirement | WantedRequirement) -> Params:
    """An item of `sync`."""
    return {"required": reference_param(wanted.required), "key": wanted.key, "value": wanted.value}


def _reference_filter(reference: Reference | str | None) -> Params | None:
    if isinstance(reference, str):
        return {"type": reference}
    return None if reference is None else reference_param(reference)


def _time_param(time: datetime | str | None) -> str | None:
    return time.isoformat() if isinstance(time, datetime) else time
