"""The fast check of params agrees with the schema."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.params import CreateParamsReader
from service.domain.schemas import CreateParams, Params, Reference, load_create_params
from service.domain.statuses import InvalidParam, MissingParam, ParamError

READER = CreateParamsReader(["User", "Service"])

odd = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.none(), max_size=1)
types = st.sampled_from(["User", "Service", "user", ""]) | odd
ids = st.sampled_from([1, 2**63 - 1, 2**63, 0, -1, 5.0, True, "5"]) | odd
references = st.fixed_dictionaries({}, optional={"type": types, "id": ids, "more": odd}) | odd
texts = st.sampled_from(["", "a" * 255, "a" * 256, "a" * 4096, "a" * 4097, "\0", "é\uffff"]) | odd
views = st.sampled_from(["default", "detailed", "Default"]) | odd
anything = st.fixed_dictionaries(
    {},
    optional={
        "required": references,
        "requireable": references,
        "key": texts,
        "value": texts,
        "session_view": views,
        "application_view": views,
        "unknown": odd,
    },
)
valid = st.fixed_dictionaries(
    {name: st.just({"type": "User", "id": 1}) for name in ("required", "requireable")},
    optional={"key": texts, "value": texts, "session_view": views, "application_view": views},
)


def by_schema(params: Params) -> CreateParams | None:
    """The params as loaded by the schema, or None if it refuses them."""
    try:
        return load_create_params(READER.schema, params)
    except (MissingParam, InvalidParam):
        return None


@given(anything | valid)
def test_the_fast_check_agrees_with_the_schema(params: dict[str, Any]) -> None:
    """The fast check accepts exactly the params that the schema accepts, with the same result."""
    assert READER.glance(params) == by_schema(params)


def test_earlier_errors_are_reported() -> None:
    """Valid params do not hide an error found elsewhere in the request."""
    params = {"required": {"type": "User", "id": 1}, "requireable": {"type": "Service", "id": 2}}
    assert READER.read(params) == CreateParams(Reference("User", 1), Reference("Service", 2), None, None, None, None)
    with pytest.raises(InvalidParam) as refusal:
        READER.read(params, ParamError("Idempotency-Key", "is odd"))
    assert refusal.value.errors == (ParamError("Idempotency-Key", "is odd"),)
