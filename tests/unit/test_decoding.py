"""Decoding of request bodies: what is accepted, and what is refused as ambiguous or malformed."""

import base64
import codecs
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.domain.json_body import decode_base64, decode_params
from service.domain.statuses import InvalidEncodedParams, NoParamsDecoded
from tests.json_test_suite import documents

# Lone surrogates cannot be encoded in UTF-8.
Texts = st.text(st.characters(exclude_categories=["Cs"]))
Floats = st.floats(allow_nan=False, allow_infinity=False)
Values = st.recursive(
    st.none() | st.booleans() | st.integers() | Floats | Texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(Texts, inner, max_size=4),
    max_leaves=12,
)
Objects = st.dictionaries(Texts, Values, min_size=1, max_size=4)

DUPLICATE_KEYS = {"y_object_duplicated_key", "y_object_duplicated_key_and_value"}
EMPTY_BODIES = {"n_structure_no_data", "n_single_space"}


def lists(levels: int) -> str:
    """Nested lists with this many levels."""
    return "[" * levels + "]" * levels


def objects(levels: int) -> str:
    """Nested objects with this many levels."""
    return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)


def mixed(levels: int) -> str:
    """Alternating lists and objects with this many levels, an even number."""
    return '[{"a":' * (levels // 2 - 1) + "[{}]" + "}]" * (levels // 2 - 1)


def object_with(value: str) -> bytes:
    """An object with `value`, which is raw JSON."""
    return f'{{"x": {value}}}'.encode()


def refused(body: bytes) -> bool:
    """Whether the body is refused with invalid-encoded-params."""
    try:
        decode_params(body)
    except InvalidEncodedParams:
        return True
    return False


@pytest.mark.parametrize("ensure_ascii", [True, False])
@given(document=Objects)
def test_any_object_survives_a_round_trip(ensure_ascii: bool, document: dict[str, Any]) -> None:
    """Any object serialised as JSON is decoded to the same object."""
    assert decode_params(json.dumps(document, ensure_ascii=ensure_ascii).encode()) == document


@given(st.binary() | st.text('[]{}:,"\\u0ad-+.eE tfn \ufeff').map(str.encode))
@example(b"{")
@example(b"\xff")
@example(b'{"a": 1}')
@example(b"[" * 100_000)
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    """Any bytes are decoded to a non-empty object or refused with one of two statuses."""
    try:
        params = decode_params(body)
    except (InvalidEncodedParams, NoParamsDecoded):
        return
    assert isinstance(params, dict)
    assert params


@pytest.mark.parametrize("nested", [lists, objects, mixed])
def test_depth(nested: Any) -> None:
    """32 levels are accepted, including the outermost object; 33 are refused."""
    # `mixed` needs an even number of levels, so one more list makes 31.
    fits = nested(31) if nested is not mixed else f"[{mixed(30)}]"
    assert decode_params(object_with(fits)) == {"x": json.loads(fits)}
    assert refused(object_with(nested(32)))
    assert refused(object_with(nested(100_000)))


@pytest.mark.parametrize("wide", ["[" + "[]," * 50_000 + "[]]", '{"b":[{}' + ",{}" * 50_000 + "]}"])
def test_depth_of_adjacent_brackets(wide: str) -> None:
    """Adjacent brackets add no depth, and do not hide a nested one."""
    assert decode_params(object_with(wide)) == {"x": json.loads(wide)}
    assert refused(object_with(f"[{wide},{lists(31)}]"))


def test_depth_of_brackets_in_a_string() -> None:
    """Brackets inside a string add no depth."""
    assert decode_params(object_with(f'"{lists(1000)}"')) == {"x": lists(1000)}


@pytest.mark.parametrize("names", ['"a"  "a"', '"a" "\\u0061"', '"" ""', '"\\u00e9" "\u00e9"', '"\\n" "\\u000a"'])
@pytest.mark.parametrize("around", ["{}", "[{}]", '{{"b": {{"c": [[{}]]}}}}'])
def test_duplicate_keys(names: str, around: str) -> None:
    """Duplicate keys of an object are refused at any depth, however they are escaped."""
    first, second = names.split()
    assert refused(object_with(around.format(f"{{{first}: 1, {second}: 1}}")))
    assert not refused(object_with(around.format(f"[{{{first}: 1}}, {{{second}: 1}}]")))


Hashes = st.dictionaries(st.sampled_from(["a", "b", 'c":', "d:"]), st.integers() | Texts | st.none(), max_size=3)
Items = st.dictionaries(st.sampled_from(["a", "b", "c:"]), Hashes | st.integers() | Floats | Texts, max_size=3)


@given(st.lists(Items | st.integers() | Texts, max_size=4), st.data())
def test_duplicate_keys_in_listed_hashes(items: list[Any], data: st.DataObject) -> None:
    """A list of hashes is decoded as it was sent, and refused once one key of it is sent twice."""
    text = json.dumps({"x": items, "y": 1})
    assert decode_params(text.encode()) == {"x": items, "y": 1}
    braces = [place for place, character in enumerate(text) if character == "{" and text[place + 1] == '"']
    for place in braces:
        try:
            name, _ = json.JSONDecoder().raw_decode(text, place + 1)
            doubled = f"{text[: place + 1]}{json.dumps(name)}: {data.draw(st.integers())}, {text[place + 1 :]}"
            json.loads(doubled)
        except ValueError:
            continue  # the brace is inside a string
        if json.loads(doubled) == json.loads(text):
            assert refused(doubled.encode())


@pytest.mark.parametrize("names", [("a", "A"), ("e\u0301", "\u00e9"), ("a", "a "), ("a", "a\0")])
def test_similar_keys(names: tuple[str, str]) -> None:
    """Keys are compared by code points, without case folding or normalisation."""
    document = dict.fromkeys(names, 1)
    assert decode_params(json.dumps(document).encode()) == document


@pytest.mark.parametrize("sign", ["", "-"])
def test_long_integers(sign: str) -> None:
    """An integer may have up to 1,000 characters, including its sign."""
    fits = sign + "9" * (1000 - len(sign))
    assert decode_params(object_with(fits)) == {"x": int(fits)}
    assert refused(object_with(f"{fits}9"))
    assert refused(object_with(sign + "9" * 5000))


def test_numbers_out_of_range() -> None:
    """Numbers outside the database's range are decoded; the schema validates them."""
    assert decode_params(object_with("1" + "0" * 100)) == {"x": 10**100}
    assert decode_params(object_with("1e400")) == {"x": float("inf")}
    assert decode_params(object_with("1." + "1" * 5000)) == {"x": 10 / 9}


@pytest.mark.parametrize("text", ["\\ud800", "\\udfff", "\\udc00\\ud800", "\\ud83d x", "\\ud83d\\ud83d\\ude00"])
def test_lone_surrogates(text: str) -> None:
    """A lone surrogate is refused in values and keys, at any depth."""
    assert refused(object_with(f'"{text}"'))
    assert refused(object_with(f'{{"{text}": 1}}'))
    assert refused(object_with(f'[[{{"a": ["{text}"]}}]]'))


@pytest.mark.parametrize("text", ["\\ud83d\\ude00", "\\uD83D\\uDE00", "\U0001f600"])
def test_paired_surrogates(text: str) -> None:
    """A surrogate pair is one character in values and keys; an escaped backslash starts no escape."""
    assert decode_params(object_with(f'"{text}"')) == {"x": "\U0001f600"}
    assert decode_params(object_with(f'{{"{text}": 1}}')) == {"x": {"\U0001f600": 1}}
    assert decode_params(object_with('"\\\\ud800"')) == {"x": "\\ud800"}


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity", "nan", "inf"])
@pytest.mark.parametrize("around", ["{}", '{{"x": {}}}', '{{"x": [{}]}}'])
def test_nan_and_infinity(name: str, around: str) -> None:
    """NaN and infinities are refused."""
    assert refused(around.format(name).encode())


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_codings(coding: str) -> None:
    """Only UTF-8 without a byte order mark is accepted."""
    assert refused('{"a": 1}'.encode(coding))
    assert refused(codecs.BOM_UTF8)


@pytest.mark.parametrize(
    "body", [b"", b" ", b"\t\r\n ", b"{}", b" {} ", b"[]", b"[{}]", b"null", b"false", b'"x"', b"5"]
)
def test_no_params(body: bytes) -> None:
    """A document other than a non-empty object, or white space, is no-params-decoded."""
    with pytest.raises(NoParamsDecoded):
        decode_params(body)


@pytest.mark.parametrize("space", ["\u00a0", "\u2028", "\v", "\f", "\x1c", "\x85", "\u3000"])
def test_other_white_space(space: str) -> None:
    """White space other than JSON's is refused, alone and around a document."""
    assert refused(space.encode())
    assert refused(f'{space}{{"a": 1}}'.encode())
    assert refused(f'{{"a":{space}1}}'.encode())


def test_valid_documents_of_the_suite() -> None:
    """Every valid document of the suite is decoded, except those with duplicate keys."""
    suite = documents("y_")
    assert len(suite) == 95
    for name, document in suite.items():
        body = b'{"x": ' + document + b"}"
        if name in DUPLICATE_KEYS:
            assert refused(body), name
        else:
            assert decode_params(body) == {"x": json.loads(document)}, name


def test_invalid_documents_of_the_suite() -> None:
    """Every invalid document of the suite is refused, except an empty body, which has no params."""
    suite = documents("n_")
    assert len(suite) == 189
    assert [name for name, document in suite.items() if not (name in EMPTY_BODIES or refused(document))] == []


@given(st.binary())
def test_base64_of_any_bytes(octets: bytes) -> None:
    """Any bytes in the standard base64 alphabet are decoded."""
    assert decode_base64(base64.b64encode(octets)) == octets


@given(st.binary(max_size=12) | st.text("QRew+/-_= \n", max_size=12).map(str.encode))
@example(b"QR==")
def test_base64_has_one_form(body: bytes) -> None:
    """Only the canonical base64 form is accepted, so no two bodies mean the same."""
    try:
        decoded = decode_base64(body)
    except InvalidEncodedParams:
        return
    assert base64.b64encode(decoded) == body


@pytest.mark.parametrize(
    "body",
    [
        b"QQ",
        b"QQ=",
        b"QQ===",
        b"QR==",
        b"QUJ=",
        b"Q Q=",
        b"QQ==\n",
        b"\nQQ==",
        b"QQ==QQ==",
        b"Q=Q=",
        b"-_==",
        b"====",
        b"Q",
    ],
)
def test_base64_that_is_not_canonical(body: bytes) -> None:
    """Padding, trailing bits, white space and alphabet must follow RFC 4648."""
    with pytest.raises(InvalidEncodedParams):
        decode_base64(body)
