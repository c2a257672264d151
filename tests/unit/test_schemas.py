"""Validation of the params of a create: missing params, invalid params, no type coercion."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.params import load_params
from service.domain.references import Reference
from service.domain.schemas import create_schema
from service.domain.statuses import InvalidParam, MissingParam, ParamError

SCHEMA = create_schema(["User", "Route"])
USER = {"type": "User", "id": 1}
EMOJI = "\U0001f600"
CREATE_PARAMS = set(SCHEMA.fields)

Scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6)
Anything = Scalars | st.lists(Scalars, max_size=3) | st.dictionaries(st.sampled_from(["type", "id", "x"]), Scalars)


def load(*found: ParamError, **changes: Any) -> dict[str, Any]:
    """Load valid params with these changes; a value of `...` leaves the param out."""
    params = {"required": USER, "requireable": USER} | changes
    return load_params(SCHEMA, {name: value for name, value in params.items() if value is not ...}, *found)


def faults(status: type[MissingParam | InvalidParam], *found: ParamError, **changes: Any) -> set[str]:
    """The params that the refusal names, which must be a `status`."""
    with pytest.raises(status) as caught:
        load(*found, **changes)
    assert all(error.message for error in caught.value.errors)
    return {error.param for error in caught.value.errors}


def test_valid_params() -> None:
    """Valid params are loaded unchanged, and unknown ones are ignored."""
    loaded = load(key="k", value="v", session_view="default", application_view="detailed", other=[{}], token=5)
    assert tuple(loaded.values()) == (Reference("User", 1), Reference("User", 1), "k", "v", "default", "detailed")


@pytest.mark.parametrize("nothing", [..., None])
def test_optional_params(nothing: object) -> None:
    """The optional params may be absent or null, with the same result."""
    names = ("key", "value", "session_view", "application_view")
    loaded = load(**dict.fromkeys(names, nothing))
    assert tuple(loaded.values()) == (Reference("User", 1), Reference("User", 1), None, None, None, None)


@pytest.mark.parametrize("param", ["required", "requireable"])
@pytest.mark.parametrize("nothing", [..., None, ""])
def test_missing_reference(param: str, nothing: object) -> None:
    """A reference that is absent, null or empty is missing as a whole."""
    assert faults(MissingParam, **{param: nothing}) == {param}


@pytest.mark.parametrize("param", ["required", "requireable"])
@pytest.mark.parametrize(
    ("sent", "parts"),
    [
        ({}, {"type", "id"}),
        ({"x": 1}, {"type", "id"}),
        ({"type": "User"}, {"id"}),
        ({"id": 1}, {"type"}),
        ({"type": None, "id": 1}, {"type"}),
        ({"type": "", "id": ""}, {"type", "id"}),
        ({"type": 5, "id": None}, {"id"}),
        ({"type": "", "id": "x"}, {"type"}),
    ],
)
def test_missing_parts(param: str, sent: object, parts: set[str]) -> None:
    """Missing parts of a reference are reported by their paths, without the invalid ones."""
    assert faults(MissingParam, **{param: sent}) == {f"{param}.{part}" for part in parts}


def test_missing_before_invalid() -> None:
    """If any param is missing, all missing ones are reported and no invalid ones."""
    assert faults(
        MissingParam, ParamError("Idempotency-Key", "is odd"), required={"type": 5}, requireable=None, key=5
    ) == {"required.id", "requireable"}


def test_all_invalid_params_at_once() -> None:
    """All invalid params are reported at once, including errors found earlier in the request."""
    found = ParamError("Idempotency-Key", "is odd")
    assert faults(InvalidParam, found) == {"Idempotency-Key"}
    assert faults(InvalidParam, found, required="x", requireable={"type": "x", "id": 0}, key=1, value=[]) == {
        *("required", "requireable.type", "requireable.id", "key", "value", "Idempotency-Key")
    }


@pytest.mark.parametrize("value", [1, 2**63 - 1])
def test_valid_ids(value: int) -> None:
    """An id may be the smallest and the largest positive bigint of PostgreSQL."""
    assert load(required={"type": "User", "id": value})["required"] == Reference("User", value)


@pytest.mark.parametrize(
    "value", [0, -1, 2**63, 10**100, -(2**63), 1.0, 5.5, float("inf"), True, False, "1", " ", [1], [], {}, {"id": 1}]
)
def test_invalid_ids(value: object) -> None:
    """An id must be an integer from 1 to 2^63 - 1; other types are not coerced."""
    assert faults(InvalidParam, required={"type": "User", "id": value}) == {"required.id"}


@pytest.mark.parametrize(
    "value", ["user", "User ", " User", "Users", "users", "User\0", "Order", 5, True, ["User"], {}]
)
def test_unknown_types(value: object) -> None:
    """A type must equal a configured name exactly."""
    assert faults(InvalidParam, requireable={"type": value, "id": 1}) == {"requireable.type"}


@pytest.mark.parametrize("value", ["User", " ", [], [USER], ["User", 1], 0, 5, 1.5, True, False])
def test_references_must_be_hashes(value: object) -> None:
    """A reference must be a hash."""
    assert faults(InvalidParam, required=value) == {"required"}


@pytest.mark.parametrize(("param", "limit"), [("key", 255), ("value", 4096)])
@pytest.mark.parametrize("character", ["x", EMOJI, "\u0301", "\n", "\uffff"])
def test_lengths(param: str, limit: int, character: str) -> None:
    """The length of a text is its number of code points."""
    assert load(**{param: character * limit})[param] == character * limit
    assert faults(InvalidParam, **{param: character * (limit + 1)}) == {param}


@pytest.mark.parametrize("param", ["key", "value"])
@pytest.mark.parametrize("value", ["\0", "a\0", "\0a", "a\n\0", "a\0\nb", 0, 1, 1.5, True, False, [], ["x"], {}])
def test_invalid_texts(param: str, value: object) -> None:
    """A text must be a string without NUL; other types are not coerced."""
    assert faults(InvalidParam, **{param: value}) == {param}


@pytest.mark.parametrize("param", ["session_view", "application_view"])
@pytest.mark.parametrize(
    "value", ["", "full", "Default", "default ", "default\n", 0, 1, True, False, [], ["default"], {}]
)
def test_unknown_views(param: str, value: object) -> None:
    """A view must equal default or detailed exactly."""
    assert faults(InvalidParam, **{param: value}) == {param}


def at_fault(params: dict[str, Any]) -> set[str]:
    """The params that the refusal of `params` names; empty if they are loaded."""
    try:
        load_params(SCHEMA, params)
    except (MissingParam, InvalidParam) as refusal:
        return {error.param.partition(".")[0] for error in refusal.errors} or {"nothing"}
    return set()


@given(st.dictionaries(st.sampled_from([*CREATE_PARAMS, "x"]), Anything | st.just(USER)))
def test_any_params_are_loaded_or_refused(params: dict[str, Any]) -> None:
    """Any params are loaded unchanged, or refused with exactly the faulty ones named."""
    named = at_fault(params)
    assert named <= CREATE_PARAMS
    corrected = params | {name: USER if name.startswith("requ") else None for name in named}
    if named:
        assert not named & at_fault(corrected)
        return
    loaded = load_params(SCHEMA, params)
    assert [loaded["key"], loaded["value"]] == [params.get("key"), params.get("value")]
    assert loaded["required"]._asdict().items() <= params["required"].items()
