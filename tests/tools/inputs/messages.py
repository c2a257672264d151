"""Hypothesis strategies for everything around the params: documents, base64, content types, headers, targets."""

import base64
import codecs
from collections.abc import Callable

from hypothesis import strategies as st

from tests.api.bad_inputs.bodies import BAD_UTF8, DOCUMENTS
from tests.api.bad_inputs.cases import ENCODED, JSON, Header
from tests.api.bad_inputs.content_types import REFUSED_CONTENT_TYPES, TAKEN_AS_JSON
from tests.api.bad_inputs.messages import TARGETS
from tests.factories import CREATE
from tests.json_test_suite import documents as suite
from tests.tools.inputs.values import ANY_JSON, ODD_VALUES

Edit = Callable[[bytes], bytes]

# Headers with the content type and coding, and the body's encoding; None if they must be refused.
ContentHeaders = tuple[tuple[Header, ...], str | None]
PLAIN: ContentHeaders = ((("Content-Type", JSON),), "plain")
BASE64: ContentHeaders = ((("Content-Type", ENCODED),), "base64")

_FRAGMENTS = [
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u", b"\\ud800", b"\\udc00", b"\\u0000", b"\\u0041", b"null"),
    *(b"NaN", b"-Infinity", b"tru", b"0", b"00", b"-", b"1e", b"1e400", b".", b"/**/", b"//", b"#", b"'", b" ", b"\n"),
    *(b"\t", b"\r", b"\v", b"\0", b"\x1f", b"\x7f", b"\xc2\xa0", b"\xe2\x80\xa8", codecs.BOM_UTF8),
    *(b'"a":1,"a":2,', b'"\\u0061":1,"a":2,', b"[" * 33, b'{"a":' * 33, b"9" * 1001, b'"token":"x",'),
    *(octets for _, octets in BAD_UTF8),
]


def _at(body: bytes, place: float) -> int:
    return int(place * len(body))


def edits() -> st.SearchStrategy[Edit]:
    """Small edits of a document: insert, delete, duplicate, flip a bit, or truncate."""
    place = st.floats(0, 1, exclude_max=True)
    return st.one_of(
        st.builds(
            lambda at, new: lambda body: body[: _at(body, at)] + new + body[_at(body, at) :],
            place,
            st.sampled_from(_FRAGMENTS) | st.binary(min_size=1, max_size=3),
        ),
        st.builds(
            lambda at, n: lambda body: body[: _at(body, at)] + body[_at(body, at) + n :], place, st.integers(1, 9)
        ),
        st.builds(
            lambda at, n: lambda body: body[: _at(body, at) + n] + body[_at(body, at) :], place, st.integers(1, 30)
        ),
        st.builds(lambda at, bit: lambda body: _flipped(body, _at(body, at), bit), place, st.integers(0, 7)),
        st.builds(lambda at: lambda body: body[: _at(body, at)], place),
    )


def _flipped(body: bytes, at: int, bit: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 1 << bit]) + body[at + 1 :] if body else body


def documents() -> st.SearchStrategy[bytes]:
    """Whole bodies unrelated to the params: most are no object, many are not JSON."""
    known = [body for body in (*suite("").values(), *(body for _, body in DOCUMENTS)) if len(body) < 5000]
    objects = st.builds(
        lambda name, value: f'{{"{name}": {value}}}'.encode(), st.sampled_from(["a", "token"]), ANY_JSON | ODD_VALUES
    )
    changed = st.builds(lambda body, edit: edit(body), st.sampled_from(known), edits())
    deep = st.builds(_nested, st.integers(28, 36), st.sampled_from(["[]", "{}", "[1]", '{"a":0}']), st.booleans())
    return st.one_of(st.sampled_from(known), changed, objects, deep, ANY_JSON.map(str.encode), st.binary(max_size=40))


def _nested(levels: int, innermost: str, in_lists: bool) -> bytes:
    opening, closing = ("[", "]") if in_lists else ('{"a":', "}")
    return f'{{"a":{opening * levels}{innermost}{closing * levels}}}'.encode()


def in_base64(body: bytes) -> bytes:
    """Return the canonical base64 form, the only one the service accepts."""
    return base64.b64encode(body)


def base64_forms() -> st.SearchStrategy[Edit]:
    """Encodings of a body: canonical base64, and others that must be refused."""
    exact = st.just(in_base64)
    others: list[Edit] = [
        base64.urlsafe_b64encode,
        base64.encodebytes,
        base64.b32encode,
        base64.b85encode,
        lambda body: body.hex().encode(),
        lambda body: base64.b64encode(body).rstrip(b"="),
        lambda body: base64.b64encode(body) + b"=",
        lambda body: base64.b64encode(body) + b"\n",
        lambda body: base64.b64encode(body) * 2,
        lambda body: base64.b64encode(base64.b64encode(body)),
        lambda body: base64.b64encode(body).replace(b"A", b"B"),
        lambda body: body,
    ]
    edited = edits().map(lambda edit: lambda body: edit(base64.b64encode(body)))
    return st.one_of(exact, st.sampled_from(others), edited)


def content_types() -> st.SearchStrategy[ContentHeaders]:
    """Valid and invalid content types and codings, with the body's encoding."""
    space = st.sampled_from(["", "", " ", "\t", "  "])
    charset = st.sampled_from(["utf-8", "UTF-8", '"utf-8"', "utf8", "Utf-8"])
    extra = st.sampled_from(["", "; x=y", ';profile="a;b"', ";", "; charset=utf-8"])
    spelled = st.sampled_from([str.lower, str.upper, str.title])
    right = st.builds(
        lambda kind, way, before, after, value, more: (
            (("Content-Type", f"{way(kind[0])}{before};{after}charset={value}{more}"),),
            kind[1],
        ),
        st.sampled_from([(JSON, "plain"), (ENCODED, "base64")]),
        *(spelled, space, space, charset, extra),
    )
    wrong_charset = st.builds(
        lambda kind, name: ((("Content-Type", f"{kind}; charset={name}"),), None),
        st.sampled_from([JSON, ENCODED]),
        st.sampled_from(["utf-16", "utf-7", "ascii", "latin-1", "bogus", "utf-8-sig", "utf_8", "cp65001", "UTF-8BOM"]),
    )
    known = st.sampled_from(
        [*(_refused(text) for text in REFUSED_CONTENT_TYPES), *(_json(text) for text in TAKEN_AS_JSON)]
    )
    token = st.text("abcdefghijklmnopqrstuvwxyz-+.0123456789", min_size=1, max_size=12)
    strange = st.builds(lambda a, b: _refused(f"{a}/{b}"), token, token)
    return st.one_of(right, wrong_charset, known, strange, _codings(), st.just(((), None)))


def _codings() -> st.SearchStrategy[ContentHeaders]:
    names = st.sampled_from(["gzip", "br", "deflate", "zstd", "foo", "x-gzip", "gzip, gzip", "identity, gzip", "", "*"])
    right = st.sampled_from(["identity", "IDENTITY", "Identity"]).map(
        lambda name: ((*PLAIN[0], ("Content-Encoding", name)), "plain")
    )
    return right | names.map(lambda name: ((*PLAIN[0], ("Content-Encoding", name)), None))


def _refused(text: str) -> ContentHeaders:
    return (("Content-Type", text),), None


def _json(text: str) -> ContentHeaders:
    return (("Content-Type", text),), "plain"


# Octets that HTTP allows in a header value: printable ASCII, tabs, and 128 to 255.
_VALUES = st.binary(max_size=30).map(lambda octets: bytes(c for c in octets if c == 9 or 32 <= c != 127))


def idempotency_keys() -> st.SearchStrategy[tuple[Header, ...]]:
    """The header once, twice, at its length limits, and with any octets that HTTP allows."""
    lengths = st.sampled_from([0, 1, 254, 255, 256, 300]).map(lambda n: b"k" * n)
    once = (_VALUES | lengths).map(lambda value: (("Idempotency-Key", value),))
    twice = st.sampled_from([b"a", b""]).map(lambda value: (("Idempotency-Key", value), ("idempotency-key", value)))
    return once | once | twice


def request_ids() -> st.SearchStrategy[tuple[Header, ...]]:
    """The header at its length limits, and with any octets that HTTP allows."""
    lengths = st.sampled_from([0, 1, 127, 128, 129, 200]).map(lambda n: b"r" * n)
    alphabet = st.text("abcXYZ019._-", max_size=140).map(str.encode)
    return (_VALUES | lengths | alphabet).map(lambda value: (("X-Request-ID", value),))


def targets() -> st.SearchStrategy[tuple[str, str, bool]]:
    """Methods and targets, with whether they address the create action."""
    method = st.sampled_from(["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY"])
    other_paths = st.sampled_from([path for path in TARGETS if len(path) < 1000])
    made = st.text("abc%/.-_~09", max_size=20).map(lambda text: f"/api/v1/{text}")
    known_paths = st.sampled_from([CREATE, f"{CREATE}?x=1", CREATE.replace("c", "%63"), f"http://localhost{CREATE}"])
    return st.one_of(
        # A GET of the root shows the documentation.
        st.tuples(method, known_paths | other_paths | made, st.just(False)).filter(  # noqa: FBT003
            lambda target: target[:2] != ("GET", "/")
        ),
        st.tuples(st.just("POST"), other_paths | made, st.just(False)),  # noqa: FBT003
        st.tuples(st.just("POST"), known_paths, st.just(True)),  # noqa: FBT003
    )


def authorizations(tokens: list[str]) -> st.SearchStrategy[tuple[Header, ...]]:
    """The header for a body without a token: schemes in any case, other schemes, and invalid tokens."""
    scheme = st.sampled_from([b"Bearer", b"bearer", b"BEARER", b"Basic", b"Bearer:", b""])
    credentials = st.sampled_from([token.encode() for token in tokens]) | _VALUES
    return st.builds(lambda name, value: (("Authorization", name + b" " + value),), scheme, credentials)
