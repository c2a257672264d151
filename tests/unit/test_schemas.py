"""The params of a create, judged: what is missing, what is invalid, and that nothing is coerced."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.params import load_params
from service.domain.references import Reference
from service.domain.schemas import create_params
from service.domain.statuses import InvalidParam, MissingParam, ParamError

SCHEMA = create_params(["User", "Route"])
USER = {"type": "User", "id": 1}
EMOJI = "\U0001f600"
CREATE_PARAMS = set(SCHEMA.fields)

Scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6)
Anything = Scalars | st.lists(Scalars, max_size=3) | st.dictionaries(st.sampled_from(["type", "id", "x"]), Scalars)


def load(*found: ParamError, **changes: Any) -> dict[str, Any]:
    """The params of a create that fits, with changes; those that are `...` are left out."""
    params = {"required": USER, "requireable": USER} | changes
    return load_params(SCHEMA, {name: value for name, value in params.items() if value is not ...}, *found)


def faults(status: type[MissingParam | InvalidParam], *found: ParamError, **changes: Any) -> set[str]:
    """The params that the refusal, which is a `status`, names."""
    with pytest.raises(status) as caught:
        load(*found, **changes)
    assert all(error.message for error in caught.value.errors)
    return {error.param for error in caught.value.errors}


def test_what_fits() -> None:
    """All that fits is loaded as it is, and what is not known is left out."""
    loaded = load(key="k", value="v", session_view="default", application_view="detailed", other=[{}], token=5)
    assert tuple(loaded.values()) == (Reference("User", 1), Reference("User", 1), "k", "v", "default", "detailed")


@pytest.mark.parametrize("nothing", [..., None])
def test_what_need_not_be_there(nothing: object) -> None:
    """The other params may be absent or null, which is the same."""
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
    """The parts that are missing are named by their paths, and what is invalid waits."""
    assert faults(MissingParam, **{param: sent}) == {f"{param}.{part}" for part in parts}


def test_missing_before_invalid() -> None:
    """Where anything is missing, all that is missing is told and nothing that is invalid."""
    assert faults(
        MissingParam, ParamError("Idempotency-Key", "is odd"), required={"type": 5}, requireable=None, key=5
    ) == {"required.id", "requireable"}


def test_all_that_is_invalid_at_once() -> None:
    """All that is invalid is told at once, what was found elsewhere in the request included."""
    found = ParamError("Idempotency-Key", "is odd")
    assert faults(InvalidParam, found) == {"Idempotency-Key"}
    assert faults(InvalidParam, found, required="x", requireable={"type": "x", "id": 0}, key=1, value=[]) == {
        *("required", "requireable.type", "requireable.id", "key", "value", "Idempotency-Key")
    }


@pytest.mark.parametrize("value", [1, 2**63 - 1])
def test_ids_that_fit(value: int) -> None:
    """An id may be the first and the last of PostgreSQL's positive bigints."""
    assert load(required={"type": "User", "id": value})["required"] == Reference("User", value)


@pytest.mark.parametrize(
    "value", [0, -1, 2**63, 10**100, -(2**63), 1.0, 5.5, float("inf"), True, False, "1", " ", [1], [], {}, {"id": 1}]
)
def test_ids_that_do_not_fit(value: object) -> None:
    """Nothing but an integer from 1 to 2^63 - 1 is an id, and nothing is made into one."""
    assert faults(InvalidParam, required={"type": "User", "id": value}) == {"required.id"}


@pytest.mark.parametrize(
    "value", ["user", "User ", " User", "Users", "users", "User\0", "Order", 5, True, ["User"], {}]
)
def test_types_that_are_unknown(value: object) -> None:
    """A type is one of the map's names, to the character."""
    assert faults(InvalidParam, requireable={"type": value, "id": 1}) == {"requireable.type"}


@pytest.mark.parametrize("value", ["User", " ", [], [USER], ["User", 1], 0, 5, 1.5, True, False])
def test_references_that_are_no_hash(value: object) -> None:
    """Nothing but a hash is a reference."""
    assert faults(InvalidParam, required=value) == {"required"}


@pytest.mark.parametrize(("param", "limit"), [("key", 255), ("value", 4096)])
@pytest.mark.parametrize("character", ["x", EMOJI, "\u0301", "\n", "\uffff"])
def test_lengths(param: str, limit: int, character: str) -> None:
    """The length of a text is its number of code points, whatever they are."""
    assert load(**{param: character * limit})[param] == character * limit
    assert faults(InvalidParam, **{param: character * (limit + 1)}) == {param}


@pytest.mark.parametrize("param", ["key", "value"])
@pytest.mark.parametrize("value", ["\0", "a\0", "\0a", "a\n\0", "a\0\nb", 0, 1, 1.5, True, False, [], ["x"], {}])
def test_texts_that_do_not_fit(param: str, value: object) -> None:
    """A text is a string without NUL, and nothing is made into one."""
    assert faults(InvalidParam, **{param: value}) == {param}


@pytest.mark.parametrize("param", ["session_view", "application_view"])
@pytest.mark.parametrize(
    "value", ["", "full", "Default", "default ", "default\n", 0, 1, True, False, [], ["default"], {}]
)
def test_views_that_are_unknown(param: str, value: object) -> None:
    """A view is one of the two there are, to the character."""
    assert faults(InvalidParam, **{param: value}) == {param}


def at_fault(params: dict[str, Any]) -> set[str]:
    """The params that a refusal of `params` names, if they are refused."""
    try:
        load_params(SCHEMA, params)
    except (MissingParam, InvalidParam) as refusal:
        return {error.param.partition(".")[0] for error in refusal.errors} or {"nothing"}
    return set()


@given(st.dictionaries(st.sampled_from([*CREATE_PARAMS, "x"]), Anything | st.just(USER)))
def test_any_params_are_loaded_or_refused(params: dict[str, Any]) -> None:
    """Whatever the params are, they are refused with those at fault, and without those fit; or loaded unchanged."""
    named = at_fault(params)
    assert named <= CREATE_PARAMS
    mended = params | {name: USER if name.startswith("requ") else None for name in named}
    if named:
        assert not named & at_fault(mended)
        return
    loaded = load_params(SCHEMA, params)
    assert [loaded["key"], loaded["value"]] == [params.get("key"), params.get("value")]
    assert loaded["required"]._asdict().items() <= params["required"].items()
