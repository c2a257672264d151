"""Faults of the body: no params, not one unambiguous JSON document in UTF-8, or not strict base64."""

import base64
import codecs

from service.domain.statuses import ActionSuccessful, InvalidEncodedParams, MissingParam, NoParamsDecoded
from tests.api.bad_inputs.cases import Case, encoded, params, plain, with_param
from tests.json_test_suite import documents

# Contains `+`, `/` and padding, which other base64 alphabets replace.
CREATE_BASE64 = base64.b64encode(params(value='"\u00fb\u00ff>>>???~~~"', pad='"x"'))

NOTHING = [b"", b" ", b" \t\r\n ", b"{}", b" { } ", b"[]", b"[{}]", b"null", b"true", b'"x"', b'""', b"5", b"-0.5e1"]

EMPTY = [
    *(Case(f"plain {text!r}", plain(text), NoParamsDecoded) for text in NOTHING),
    *(Case(f"base64 of {text!r}", encoded(base64.b64encode(text)), NoParamsDecoded) for text in NOTHING),
]


def _nested(levels: int, opening: str, closing: str) -> str:
    return opening * levels + closing * levels


# JSON values of the unknown param `x` in an otherwise valid create.
VALUES = [
    ("NaN", "NaN"),
    ("Infinity", "Infinity"),
    ("-Infinity", "-Infinity"),
    ("undefined", "undefined"),
    ("nothing", ""),
    ("True", "True"),
    ("trailing comma in a list", "[1,]"),
    ("trailing comma in an object", '{"a": 1,}'),
    ("line comment", "1 // one\n"),
    ("block comment", "/* one */ 1"),
    ("hash comment", "1 # one\n"),
    ("single quotes", "'a'"),
    ("name without quotes", "{a: 1}"),
    ("leading zero", "01"),
    ("leading plus", "+1"),
    ("bare fraction", ".5"),
    ("bare point", "5."),
    ("hexadecimal", "0x10"),
    ("digits with underscores", "1_000"),
    ("full-width digit", "\uff15"),
    ("Arabic digit", "\u0665"),
    ("raw line end in a string", '"a\nb"'),
    ("raw tab in a string", '"a\tb"'),
    ("raw NUL in a string", '"a\0b"'),
    ("unknown escape", '"\\x41"'),
    ("half an escape", '"\\u00"'),
    ("escape with full-width digits", '"\\u\uff10\uff10\uff14\uff11"'),
    ("escape with an underscore", '"\\u0_41"'),
    ("escape with a sign", '"\\u+041"'),
    ("no-break space", "\u00a01"),
    ("line separator", "\u20281"),
    ("vertical tab", "\v1"),
    ("form feed", "\f1"),
    ("duplicate keys", '{"a": 1, "a": 1}'),
    ("duplicate keys, one escaped", '{"a": 1, "\\u0061": 2}'),
    ("duplicate keys in a list", '[[{"a": 1, "b": 2, "a": 3}]]'),
    ("duplicate keys, deep", '{"b": {"c": {"a": 1, "\\u0061": 1}}}'),
    ("duplicate empty keys", '{"": 1, "": 2}'),
    ("32 levels of lists below", _nested(32, "[", "]")),
    ("32 levels of objects below", _nested(32, '{"a":', "}").replace(":}", ":0}", 1)),
    ("32 levels of both below", _nested(16, '[{"a":', "}]").replace(":}", ":0}", 1)),
    ("100,000 levels of lists", _nested(100_000, "[", "]")),
    ("100,000 levels of objects", _nested(100_000, '{"a":', "}").replace(":}", ":0}", 1)),
    ("integer of 5,000 digits", "9" * 5000),
    ("negative integer of 5,000 digits", "-" + "9" * 5000),
    ("integer of a million digits", "9" * 1_000_000),
    ("high surrogate", '"\\ud800"'),
    ("low surrogate", '"\\udfff"'),
    ("surrogates in wrong order", '"\\udc00\\ud800"'),
    ("high surrogate before text", '"\\ud83dx"'),
    ("lone surrogate in a key", '{"\\ud800": 1}'),
    ("lone surrogate in a list", '[[["\\udfff"]]]'),
]

DOCUMENTS = [
    ("two documents", params() + params()),
    ("two documents in lines", params() + b"\n" + params()),
    ("text after it", params() + b"x"),
    ("NUL after it", params() + b"\0"),
    ("NUL before it", b"\0" + params()),
    ("trailing comma", params()[:-1] + b",}"),
    ("leading comma", b"{," + params()[1:]),
    ("comment after it", params() + b"// end"),
    ("comment before it", b"/* start */" + params()),
    ("no end", params()[:-1]),
    ("byte order mark", codecs.BOM_UTF8 + params()),
    ("UTF-16 with a mark", params().decode().encode("utf-16")),
    ("UTF-16LE", params().decode().encode("utf-16-le")),
    ("UTF-16BE", params().decode().encode("utf-16-be")),
    ("UTF-32", params().decode().encode("utf-32")),
    ("UTF-7", b"+AHs-+AH0-"),
    ("latin 1", params(x='"\u00e9"').decode().encode("latin-1")),
    ("token twice", params(tok='"x"').replace(b'"tok"', b'"token"')),
    ("token twice, once escaped", params(tok='"x"').replace(b'"tok"', b'"\\u0074oken"')),
    ("id twice", params(x="1").replace(b'"id": 1', b'"id": 1, "id": 1')),
    ("a form", b"token=x&key=5"),
    ("XML", b"<?xml version='1.0'?><params/>"),
    ("a file", b"\x89PNG\r\n\x1a\n" + bytes(range(256))),
]

# Bytes inside a string that are not valid UTF-8.
BAD_UTF8 = [
    ("a lone continuation byte", b"\x80"),
    ("a byte that never occurs", b"\xff"),
    ("half a character", b"\xe2\x82"),
    ("overlong slash", b"\xc0\xaf"),
    ("overlong quote", b"\xc0\xa2"),
    ("overlong NUL", b"\xc0\x80"),
    ("overlong in three bytes", b"\xe0\x80\xaf"),
    ("overlong in four bytes", b"\xf0\x80\x80\xaf"),
    ("a surrogate in UTF-8", b"\xed\xa0\x80"),
    ("a pair of surrogates in UTF-8", b"\xed\xa0\xbd\xed\xb8\x80"),
    ("beyond U+10FFFF", b"\xf4\x90\x80\x80"),
    ("six bytes", b"\xfc\x83\xbf\xbf\xbf\xbf"),
]

UNDECODABLE = [
    *(Case(name, with_param(x=text), InvalidEncodedParams) for name, text in VALUES),
    *(Case(name, plain(body), InvalidEncodedParams) for name, body in DOCUMENTS),
    *(Case(name, plain(params(x='"@"').replace(b"@", bad)), InvalidEncodedParams) for name, bad in BAD_UTF8),
    *(
        Case(f"{name} in base64", encoded(base64.b64encode(body)), InvalidEncodedParams)
        for name, body in DOCUMENTS[:10]
    ),
]

# Here the contract differs from the grammar: an empty body is no-params-decoded, and duplicate keys are refused.
EMPTY_BODIES = {"n_structure_no_data", "n_single_space"}
DUPLICATE_KEYS = {"y_object_duplicated_key", "y_object_duplicated_key_and_value"}

SUITE = [
    *(
        Case(name, plain(body), NoParamsDecoded if name in EMPTY_BODIES else InvalidEncodedParams)
        for name, body in documents("n_").items()
    ),
    *(
        # Numbers of any size are read; every other case that RFC 8259 leaves to the parser is refused.
        Case(name, plain(body), NoParamsDecoded if name.startswith("i_number") else InvalidEncodedParams)
        for name, body in documents("i_").items()
    ),
    *(
        Case(name, plain(body), InvalidEncodedParams)
        for name, body in documents("y_").items()
        if name in DUPLICATE_KEYS
    ),
]

WELL_FORMED = [
    Case(name, with_param(x=body.decode()), ActionSuccessful)
    for name, body in documents("y_").items()
    if name not in DUPLICATE_KEYS
]

BASE64 = [
    ("url-safe alphabet", CREATE_BASE64.translate(bytes.maketrans(b"+/", b"-_"))),
    ("no padding", CREATE_BASE64.rstrip(b"=")),
    ("less padding", CREATE_BASE64[:-1]),
    ("more padding", CREATE_BASE64 + b"="),
    ("padding of four", CREATE_BASE64 + b"===="),
    ("only padding", b"===="),
    ("garbage inside", CREATE_BASE64[:8] + b"!*#" + CREATE_BASE64[8:]),
    ("NUL inside", CREATE_BASE64[:8] + b"\0" + CREATE_BASE64[8:]),
    ("padding inside", CREATE_BASE64[:8] + b"=" + CREATE_BASE64[8:]),
    ("data after padding", CREATE_BASE64 + CREATE_BASE64),
    ("a character after padding", CREATE_BASE64 + b"Q"),
    ("QR==", b"QR=="),
    ("bits to spare", b"e31="),
    ("lines of 76", base64.encodebytes(params())),
    ("line end after it", CREATE_BASE64 + b"\n"),
    ("CR and LF after it", CREATE_BASE64 + b"\r\n"),
    ("space before it", b" " + CREATE_BASE64),
    ("spaces", b"    "),
    ("double encoding", base64.b64encode(CREATE_BASE64)),
    ("plain JSON", params()),
    ("plain {}", b"{}"),
    ("non-ASCII", CREATE_BASE64[:8] + "\u00e9".encode() + CREATE_BASE64[8:]),
    ("full-width letters", "\uff25\uff33".encode()),
    ("a data URL", b"data:application/json;base64," + CREATE_BASE64),
    ("a JSON string", b'"' + CREATE_BASE64 + b'"'),
    ("base85", base64.b85encode(params())),
    ("hexadecimal of odd length", b"7b7d0"),
    ("one character", b"e"),
]

BASE64_FAULTS = [Case(f"base64, {name}", encoded(body), InvalidEncodedParams) for name, body in BASE64]

ACCEPTED = [
    *WELL_FORMED,
    Case("the base64 that the faulty ones are made from", encoded(CREATE_BASE64), ActionSuccessful),
    Case("31 levels of lists below", with_param(x=_nested(31, "[", "]")), ActionSuccessful),
    Case(
        "31 levels of objects below", with_param(x=_nested(31, '{"a":', "}").replace(":}", ":0}", 1)), ActionSuccessful
    ),
    Case("10^100", with_param(x="1" + "0" * 100), ActionSuccessful),
    Case("white space around", plain(b" \t\r\n" + params() + b"\r\n\t "), ActionSuccessful),
    Case("a pair of surrogates, escaped", with_param(x='"\\ud83d\\ude00"'), ActionSuccessful),
    Case("equal keys of different objects", with_param(x='[{"a": 1}, {"a": {"a": 1}}]'), ActionSuccessful),
    Case("100,000 keys", with_param(x="{" + ",".join(f'"{n}":0' for n in range(90_000)) + "}"), ActionSuccessful),
    Case("100,000 lists in one", with_param(x="[" + ",".join(["[]"] * 100_000) + "]"), ActionSuccessful),
]

ANONYMOUS = [Case("an object without a token", plain(b'{"a": 1}'), MissingParam, ("token",))]
