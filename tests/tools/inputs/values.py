"""Hypothesis strategies for the value of each param, as JSON text that is sent unchanged."""

import json
from typing import Any

from hypothesis import strategies as st

from tests.api.bad_inputs.bodies import VALUES
from tests.api.bad_inputs.cases import quoted
from tests.tools.inputs.database_state import DatabaseState

EMOJI = "\U0001f600"
MAX_ID = 2**63 - 1

Texts = st.text(max_size=40)
Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | Texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(Texts, inner, max_size=4),
    max_leaves=8,
)

# Any JSON value, with or without escapes for non-ASCII characters.
ANY_JSON = st.builds(lambda value, ascii_only: json.dumps(value, ensure_ascii=ascii_only), Json, st.booleans())

# Unusual values, some of which are not valid JSON.
ODD_VALUES = st.sampled_from([text for _, text in VALUES if len(text) < 10_000])
EMPTY = st.sampled_from(["null", '""', "{}", "[]"])


def _as_json(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """The texts as JSON, with different escaping."""
    ways = st.sampled_from([quoted, json.dumps, _all_escaped])
    return st.builds(lambda text, way: way(text), texts, ways)


def _all_escaped(text: str) -> str:
    units = text.encode("utf-16-be")
    return '"' + "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)) + '"'


def text(limit: int) -> st.SearchStrategy[str]:
    """Values for `key` or `value`, with lengths around their limit."""
    unit = st.sampled_from(["x", EMOJI, "\u0301", '"', "\\", "\n", " "])
    long = st.builds(lambda unit, length: unit * length, unit, st.integers(limit - 2, limit + 2))
    with_nul = st.builds(lambda before, after: f"{before}\0{after}", Texts, Texts)
    return st.one_of(_as_json(Texts), _as_json(long), _as_json(with_nul), ANY_JSON, EMPTY, ODD_VALUES)


def token(state: DatabaseState) -> st.SearchStrategy[str]:
    """Values for `token`: valid, revoked and expired ones, and similar texts."""
    owned = st.sampled_from([*state.callers, *state.revoked_tokens])
    near = st.builds(lambda token, change: change(token), owned, st.sampled_from(_CHANGES))
    return st.one_of(_as_json(owned), _as_json(near), _as_json(Texts), ANY_JSON, EMPTY, ODD_VALUES)


_CHANGES: list[Any] = [
    lambda text: f"{text} ",
    lambda text: f" {text}",
    lambda text: f"{text}\0",
    lambda text: f"{text}\n",
    lambda text: f"Bearer {text}",
    lambda text: text[:-1],
    lambda text: text * 2,
    str.swapcase,
    lambda text: text.replace(text[3], "%"),
    lambda text: "".join(chr(ord(c) + 0xFEE0) for c in text),
]


def association_type(state: DatabaseState) -> st.SearchStrategy[str]:
    """Values for `type`."""
    known = st.sampled_from(sorted(state.ids))
    near = st.builds(lambda name, change: change(name), known, st.sampled_from(_CHANGES))
    names = st.sampled_from(["users", "pg_class", "public.users", '"users"', "User; DROP TABLE users", "__class__"])
    return st.one_of(_as_json(known), _as_json(near), _as_json(names), _as_json(Texts), ANY_JSON, EMPTY)


def row_id() -> st.SearchStrategy[str]:
    """Values for `id`: integers around every limit, and other spellings of numbers."""
    bounds = [0, 1, 2**31, 2**32, 2**53, MAX_ID, 2**64, 10**19, 10**100]
    near = st.builds(
        lambda bound, by, sign: str(sign * (bound + by)), st.sampled_from(bounds), st.integers(-2, 3), _SIGNS
    )
    spelled = st.builds(lambda number, end: f"{number}{end}", st.integers(-3, 20), st.sampled_from(_ENDS))
    return st.one_of(st.integers(1, 9).map(str), near, spelled, ANY_JSON, EMPTY, ODD_VALUES)


_SIGNS = st.sampled_from([1, 1, -1])
_ENDS = [".0", ".5", "e0", "E2", "e400", "e-400", "e+0", ".", "e", "n", "_0", "0" * 1100]


def reference(state: DatabaseState) -> st.SearchStrategy[str]:
    """Values for `required` or `requireable`."""
    parts = st.tuples(st.sampled_from(["type", "type", "Type", "t\\u0079pe"]), association_type(state), row_id())
    hashes = st.builds(
        lambda part, more: f'{{"{part[0]}": {part[1]}, "id": {part[2]}{more}}}',
        parts,
        st.sampled_from(["", "", ', "name": "x"', ', "id": 1', ', "": {}']),
    )
    partial = st.builds(lambda kind: f'{{"type": {kind}}}', association_type(state)) | row_id().map(
        lambda number: f'{{"id": {number}}}'
    )
    return st.one_of(valid_reference(state), hashes, hashes, partial, ANY_JSON, EMPTY, ODD_VALUES)


def valid_reference(state: DatabaseState) -> st.SearchStrategy[str]:
    """References to existing records."""
    existing = [(name, row_id) for name, ids in sorted(state.ids.items()) for row_id in sorted(ids)]
    return st.builds(
        lambda it, order: (f'{{"type": "{it[0]}", "id": {it[1]}}}', f'{{"id":{it[1]},"type":"{it[0]}"}}')[order],
        st.sampled_from(existing),
        st.integers(0, 1),
    )


def view() -> st.SearchStrategy[str]:
    """Values for `session_view` or `application_view`."""
    names = st.sampled_from(["default", "detailed", "full", "Default", "default ", ""])
    return st.one_of(_as_json(names), _as_json(names), ANY_JSON, EMPTY)


def params(state: DatabaseState) -> dict[str, st.SearchStrategy[str]]:
    """A strategy for each param, and one for an unknown param."""
    return {
        "token": token(state),
        "required": reference(state),
        "requireable": reference(state),
        "key": text(255),
        "value": text(4096),
        "session_view": view(),
        "application_view": view(),
        "unknown": ANY_JSON | ODD_VALUES,
    }
