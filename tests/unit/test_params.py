"""The loader of params: its fast check and marshmallow agree on what is valid."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.params import Params, check_all, load_params
from service.domain.references import Reference
from service.domain.schemas import create_schema
from service.domain.statuses import InvalidParam, ParamError

SCHEMA = create_schema(["User", "Service"])

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


def load_by_marshmallow(params: Params) -> Any:
    """The params as loaded by marshmallow, or None if it finds errors."""
    return SCHEMA.load(params) if not SCHEMA.validate(params) else None


@given(anything | valid)
def test_the_fast_check_agrees_with_marshmallow(params: dict[str, Any]) -> None:
    """The fast check accepts exactly the params that marshmallow accepts, with the same values."""
    assert check_all(SCHEMA, params) == load_by_marshmallow(params)


def test_earlier_errors_are_reported() -> None:
    """Valid params do not hide an error found elsewhere in the request."""
    params = {"required": {"type": "User", "id": 1}, "requireable": {"type": "Service", "id": 2}}
    loaded = load_params(SCHEMA, params)
    assert (loaded["required"], loaded["requireable"]) == (Reference("User", 1), Reference("Service", 2))
    with pytest.raises(InvalidParam) as caught:
        load_params(SCHEMA, params, ParamError("Idempotency-Key", "is odd"))
    assert caught.value.errors == (ParamError("Idempotency-Key", "is odd"),)
