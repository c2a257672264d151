"""From bytes to params: what is read, and what is refused since two readers could read it in two ways."""

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

# Lone surrogates are no text; everything else is.
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
    """That many levels of lists."""
    return "[" * levels + "]" * levels


def objects(levels: int) -> str:
    """That many levels of objects."""
    return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)


def mixed(levels: int) -> str:
    """That many levels, an even number, of lists and objects by turns."""
    return '[{"a":' * (levels // 2 - 1) + "[{}]" + "}]" * (levels // 2 - 1)


def of(value: str) -> bytes:
    """An object that holds `value`, which is JSON as it is."""
    return f'{{"x": {value}}}'.encode()


def refused(body: bytes) -> bool:
    """Whether the body is refused as one that cannot be decoded."""
    try:
        decode_params(body)
    except InvalidEncodedParams:
        return True
    return False


@pytest.mark.parametrize("ensure_ascii", [True, False])
@given(document=Objects)
def test_any_object_is_read_as_it_was_written(ensure_ascii: bool, document: dict[str, Any]) -> None:
    """Whatever object is written as JSON is read as the same object."""
    assert decode_params(json.dumps(document, ensure_ascii=ensure_ascii).encode()) == document


@given(st.binary() | st.text('[]{}:,"\\u0ad-+.eE tfn \ufeff').map(str.encode))
@example(b"{")
@example(b"\xff")
@example(b'{"a": 1}')
@example(b"[" * 100_000)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Bytes give a filled object or one of two refusals, and never another exception."""
    try:
        params = decode_params(body)
    except (InvalidEncodedParams, NoParamsDecoded):
        return
    assert isinstance(params, dict)
    assert params


@pytest.mark.parametrize("nested", [lists, objects, mixed])
def test_depth(nested: Any) -> None:
    """32 levels are read, the outermost object included; 33 are not."""
    # A mix has an even number of levels: as many as 31 or 32 with one around it or none.
    fits = nested(31) if nested is not mixed else f"[{mixed(30)}]"
    assert decode_params(of(fits)) == {"x": json.loads(fits)}
    assert refused(of(nested(32)))
    assert refused(of(nested(100_000)))


@pytest.mark.parametrize("wide", ["[" + "[]," * 50_000 + "[]]", '{"b":[{}' + ",{}" * 50_000 + "]}"])
def test_depth_in_what_is_wide(wide: str) -> None:
    """Brackets side by side are no depth, and do not hide one."""
    assert decode_params(of(wide)) == {"x": json.loads(wide)}
    assert refused(of(f"[{wide},{lists(31)}]"))


def test_depth_of_brackets_in_a_text() -> None:
    """Brackets in a text are text."""
    assert decode_params(of(f'"{lists(1000)}"')) == {"x": lists(1000)}


@pytest.mark.parametrize("names", ['"a"  "a"', '"a" "\\u0061"', '"" ""', '"\\u00e9" "\u00e9"', '"\\n" "\\u000a"'])
@pytest.mark.parametrize("around", ["{}", "[{}]", '{{"b": {{"c": [[{}]]}}}}'])
def test_duplicate_keys(names: str, around: str) -> None:
    """An object names a key once, however it is escaped, at any depth."""
    first, second = names.split()
    assert refused(of(around.format(f"{{{first}: 1, {second}: 1}}")))
    assert not refused(of(around.format(f"[{{{first}: 1}}, {{{second}: 1}}]")))


@pytest.mark.parametrize("names", [("a", "A"), ("e\u0301", "\u00e9"), ("a", "a "), ("a", "a\0")])
def test_keys_that_only_look_alike(names: tuple[str, str]) -> None:
    """Keys are compared to the character: nothing is folded or normalised."""
    document = dict.fromkeys(names, 1)
    assert decode_params(json.dumps(document).encode()) == document


@pytest.mark.parametrize("sign", ["", "-"])
def test_long_integers(sign: str) -> None:
    """An integer may be long, sign included 1,000 characters; beyond that it costs too much to read."""
    fits = sign + "9" * (1000 - len(sign))
    assert decode_params(of(fits)) == {"x": int(fits)}
    assert refused(of(f"{fits}9"))
    assert refused(of(sign + "9" * 5000))


def test_long_numbers_that_are_none_of_ours() -> None:
    """Numbers beyond any database's are read: it is for the schema to judge them."""
    assert decode_params(of("1" + "0" * 100)) == {"x": 10**100}
    assert decode_params(of("1e400")) == {"x": float("inf")}
    assert decode_params(of("1." + "1" * 5000)) == {"x": 10 / 9}


@pytest.mark.parametrize("text", ["\\ud800", "\\udfff", "\\udc00\\ud800", "\\ud83d x", "\\ud83d\\ud83d\\ude00"])
def test_lone_surrogates(text: str) -> None:
    """A surrogate without its other half is no text, neither as a value nor as a key, at any depth."""
    assert refused(of(f'"{text}"'))
    assert refused(of(f'{{"{text}": 1}}'))
    assert refused(of(f'[[{{"a": ["{text}"]}}]]'))


@pytest.mark.parametrize("text", ["\\ud83d\\ude00", "\\uD83D\\uDE00", "\U0001f600"])
def test_paired_surrogates(text: str) -> None:
    """A pair of surrogates is a character, as a value and as a key; an escaped backslash begins no escape."""
    assert decode_params(of(f'"{text}"')) == {"x": "\U0001f600"}
    assert decode_params(of(f'{{"{text}": 1}}')) == {"x": {"\U0001f600": 1}}
    assert decode_params(of('"\\\\ud800"')) == {"x": "\\ud800"}


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity", "nan", "inf"])
@pytest.mark.parametrize("around", ["{}", '{{"x": {}}}', '{{"x": [{}]}}'])
def test_no_numbers(name: str, around: str) -> None:
    """What is not a number is no JSON."""
    assert refused(around.format(name).encode())


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_codings(coding: str) -> None:
    """Only UTF-8 without a byte order mark is read."""
    assert refused('{"a": 1}'.encode(coding))
    assert refused(codecs.BOM_UTF8)


@pytest.mark.parametrize(
    "body", [b"", b" ", b"\t\r\n ", b"{}", b" {} ", b"[]", b"[{}]", b"null", b"false", b'"x"', b"5"]
)
def test_no_params(body: bytes) -> None:
    """A document that is no filled object holds no params, and neither does white space."""
    with pytest.raises(NoParamsDecoded):
        decode_params(body)


@pytest.mark.parametrize("space", ["\u00a0", "\u2028", "\v", "\f", "\x1c", "\x85", "\u3000"])
def test_other_white_space(space: str) -> None:
    """Only the white space of JSON is white space, alone and around a document."""
    assert refused(space.encode())
    assert refused(f'{space}{{"a": 1}}'.encode())
    assert refused(f'{{"a":{space}1}}'.encode())


def test_what_is_well_formed_is_read() -> None:
    """Every document of the suite that is JSON is read, as a value, but those with duplicate keys."""
    suite = documents("y_")
    assert len(suite) == 95
    for name, document in suite.items():
        body = b'{"x": ' + document + b"}"
        if name in DUPLICATE_KEYS:
            assert refused(body), name
        else:
            assert decode_params(body) == {"x": json.loads(document)}, name


def test_what_is_not_well_formed_is_refused() -> None:
    """Every document of the suite that is no JSON is refused, but an empty body, which holds no params."""
    suite = documents("n_")
    assert len(suite) == 189
    assert [name for name, document in suite.items() if not (name in EMPTY_BODIES or refused(document))] == []


@given(st.binary())
def test_base64_of_any_bytes(octets: bytes) -> None:
    """Whatever is encoded in the standard alphabet is decoded."""
    assert decode_base64(base64.b64encode(octets)) == octets


@given(st.binary(max_size=12) | st.text("QRew+/-_= \n", max_size=12).map(str.encode))
@example(b"QR==")
def test_base64_has_one_form(body: bytes) -> None:
    """Nothing but the canonical form of some bytes is decoded: two bodies never mean the same."""
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
    """Padding, trailing bits, white space and alphabet are as RFC 4648 says, or it is refused."""
    with pytest.raises(InvalidEncodedParams):
        decode_base64(body)
