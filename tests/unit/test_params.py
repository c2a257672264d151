"""The loader of params: its fast check and marshmallow agree on what is valid."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema

from service.domain.params import Params, check_all, load_params
from service.domain.references import Reference
from service.domain.schemas import create_schema, index_schema
from service.domain.statuses import InvalidParam, ParamError

SCHEMA = create_schema(["User", "Service"])
LISTS = index_schema(["User", "Service"])

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
_terms = st.sampled_from(["x", "", "a" * 256]) | odd
_attributes = st.lists(st.sampled_from(["key", "value", "id"]) | odd, max_size=2) | odd
_times = st.sampled_from(["2026-11-23T10:00:00Z", "2026-11-23"]) | odd
_numbers = st.sampled_from([1, 100, 101, 200, 201]) | odd


def _hashes(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional={**values, "more": odd}) | odd


lists = st.fixed_dictionaries(
    {},
    optional={
        "required": references,
        "key": texts,
        "caller": _hashes(application_id=ids, user_id=ids),
        "created": _hashes(**{"from": _times, "until": _times}),
        "search": _hashes(term=_terms, attributes=_attributes),
        "page": _hashes(size=_numbers, number=_numbers, after=texts),
        "sort": _hashes(by=st.sampled_from(["id", "updated_at", "key"]) | odd, order=st.just("asc") | odd),
        "count": odd,
    },
)


def load_by_marshmallow(schema: Schema, params: Params) -> Any:
    """The params as loaded by marshmallow, or None if it finds errors."""
    return schema.load(params) if not schema.validate(params) else None


@given(anything | valid)
def test_the_fast_check_agrees_with_marshmallow(params: dict[str, Any]) -> None:
    """The fast check accepts exactly the params that marshmallow accepts, with the same values."""
    assert check_all(SCHEMA, params) == load_by_marshmallow(SCHEMA, params)


@given(lists)
def test_the_fast_check_of_hashes_agrees_with_marshmallow(params: dict[str, Any]) -> None:
    """The fast check accepts exactly the filters, pages and orders that marshmallow accepts, with the same values."""
    assert check_all(LISTS, params) == load_by_marshmallow(LISTS, params)


def test_earlier_errors_are_reported() -> None:
    """Valid params do not hide an error found elsewhere in the request."""
    params = {"required": {"type": "User", "id": 1}, "requireable": {"type": "Service", "id": 2}}
    loaded = load_params(SCHEMA, params)
    assert (loaded["required"], loaded["requireable"]) == (Reference("User", 1), Reference("Service", 2))
    with pytest.raises(InvalidParam) as caught:
        load_params(SCHEMA, params, ParamError("Idempotency-Key", "is odd"))
    assert caught.value.errors == (ParamError("Idempotency-Key", "is odd"),)
