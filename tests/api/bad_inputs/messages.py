"""Faults of the HTTP message: content coding, size, method, path and headers."""

import gzip

from service.domain.statuses import (
    ActionSuccessful,
    InvalidContentType,
    InvalidParam,
    RouteNonExistent,
)
from tests.api.bad_inputs.cases import (
    ENCODED,
    JSON,
    TOKEN,
    Case,
    Request,
    chunked,
    params,
    with_header,
    with_headers,
    with_param,
)
from tests.factories import CREATE

LIMIT = 1024 * 1024
GZIPPED = gzip.compress(params())
BOMB = gzip.compress(bytes(64 * LIMIT))


def _sized(size: int) -> bytes:
    """A valid create of exactly `size` bytes."""
    shell = params(padding='""')
    return params(padding=f'"{"x" * (size - len(shell))}"')


def _coding(value: str, body: bytes = GZIPPED) -> Request:
    return with_headers(("Content-Type", JSON), ("Content-Encoding", value), body=body)


CODINGS = [
    Case("gzip", _coding("gzip"), InvalidContentType),
    Case("gzip in capitals", _coding("GZIP"), InvalidContentType),
    Case("gzip, but plain", _coding("gzip", params()), InvalidContentType),
    Case("br", _coding("br"), InvalidContentType),
    Case("deflate", _coding("deflate"), InvalidContentType),
    Case("zstd", _coding("zstd"), InvalidContentType),
    Case("foo", _coding("foo"), InvalidContentType),
    Case("an empty coding", _coding("", params()), InvalidContentType),
    Case("identity and gzip", _coding("identity, gzip"), InvalidContentType),
    Case("a gzip bomb", _coding("gzip", BOMB), InvalidContentType),
    Case("a truncated gzip", _coding("gzip", GZIPPED[:-9]), InvalidContentType),
    Case("an empty gzip", _coding("gzip", b""), InvalidContentType),
]

SIZES = [
    Case("one byte too long", Request(_sized(LIMIT + 1)), InvalidParam, ("body",)),
    Case("one byte too long in chunks", chunked(_sized(LIMIT + 1)), InvalidParam, ("body",)),
    Case("too long in chunks without an end", chunked(_sized(LIMIT + 1), ended=False), InvalidParam, ("body",)),
    Case("10 GB announced", Request(b'{"a": 1', framing=(("Content-Length", "10000000000"),)), InvalidParam, ("body",)),
    Case(
        "10^18 bytes announced", Request(b"{}", framing=(("Content-Length", "1" + "0" * 18),)), InvalidParam, ("body",)
    ),
    Case("twice the limit of spaces", Request(b" " * 2 * LIMIT), InvalidParam, ("body",)),
]

METHODS = [
    Case("OPTIONS *", Request(method="OPTIONS", target="*", headers=()), RouteNonExistent),
    Case(
        "an unknown expectation on an unknown path",
        Request(params(), (("Content-Type", JSON), ("Expect", "miracles")), target="/nowhere"),
        RouteNonExistent,
    ),
    Case("CONNECT", Request(method="CONNECT", target="localhost:443", headers=()), RouteNonExistent),
    *(
        Case(f"{method} {name}", Request(params(), method=method, target=target), RouteNonExistent)
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY")
        for name, target in (("on create", CREATE), ("on an unknown path", "/api/v1"))
    ),
]

TARGETS = [
    f"{CREATE}/",
    f"/{CREATE}",
    f"//localhost{CREATE}",
    "/api//v1/requirements/create",
    "/api/v2/requirements/create",
    "/api/V1/requirements/create",
    "/API/v1/requirements/create",
    "/api/v1/requirements/Create",
    "/api/v1/requirements",
    "/api/v1/requirements/create/1",
    "/api/v1/requirements/create%00",
    "/api/v1/requirements/create%20",
    "/api/v1/requirements/create%0a",
    "/api/v1/requirements/create%2f",
    "/api/v1/requirements%2fcreate",
    "/api/v1/requirements/create.json",
    "/api/v1/requirements/create;x=y",
    "/api/v1/requirements/%63reate%",
    "/api/v1/requirements/%",
    "/api/v1/requirements/%zz",
    "/api/v1/requirements/%ff%fe",
    "/api/v1/requirements/%ed%a0%80",
    "/api/v1/../v1/requirements/created",
    "/api/v1/requirements/..%2frequirements/create",
    "/api/v1/requirements/create\\",
    "/",
    "//",
    "///",
    "/api",
    "/api/",
    "/.env",
    "/..",
    "/../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/docs/../../config.yaml",
    "/docs/%2e%2e/%2e%2e/config.yaml",
    "/openapi.json/",
    "/ping/",
    "/%00",
    "/?" + "x" * 4000,
    "/" + "x" * 8000,
    "/[",
    "/<script>",
]

PATHS = [
    Case(f"path {i} {path:.60}", Request(params(), target=path), RouteNonExistent) for i, path in enumerate(TARGETS)
]

KEYS = [
    Case("key of 256 characters", with_header("Idempotency-Key", "k" * 256), InvalidParam, ("Idempotency-Key",)),
    Case("empty key", with_header("Idempotency-Key", ""), InvalidParam, ("Idempotency-Key",)),
    Case("key of spaces", with_header("Idempotency-Key", "   "), InvalidParam, ("Idempotency-Key",)),
    Case("key in UTF-8", with_header("Idempotency-Key", "sch\u00f6n"), InvalidParam, ("Idempotency-Key",)),
    Case("key in latin 1", with_header("Idempotency-Key", b"sch\xf6n"), InvalidParam, ("Idempotency-Key",)),
    Case("key with a tab", with_header("Idempotency-Key", "a\tb"), InvalidParam, ("Idempotency-Key",)),
    Case(
        "two keys",
        with_headers(("Content-Type", JSON), ("Idempotency-Key", "a"), ("Idempotency-Key", "a")),
        InvalidParam,
        ("Idempotency-Key",),
    ),
    Case(
        "bad key and bad param",
        with_headers(("Content-Type", JSON), ("Idempotency-Key", ""), body=params(key="5")),
        InvalidParam,
        ("key", "Idempotency-Key"),
    ),
]

ACCEPTED = [
    Case("identity", _coding("identity", params()), ActionSuccessful),
    Case("an unknown expectation", with_header("Expect", "miracles"), ActionSuccessful),
    Case("identity in capitals", _coding("IDENTITY", params()), ActionSuccessful),
    Case("a byte below the limit", Request(_sized(LIMIT - 1)), ActionSuccessful),
    Case("as long as the limit", Request(_sized(LIMIT)), ActionSuccessful),
    Case("a byte below the limit in chunks", chunked(_sized(LIMIT - 1)), ActionSuccessful),
    Case("as long as the limit in chunks", chunked(_sized(LIMIT)), ActionSuccessful),
    Case(
        "chunks of a byte",
        Request(
            b"".join(b"1\r\n%c\r\n" % octet for octet in params()) + b"0\r\n\r\n",
            framing=(("Transfer-Encoding", "chunked"),),
        ),
        ActionSuccessful,
    ),
    Case("key of 255 characters", with_header("Idempotency-Key", "~" * 255), ActionSuccessful),
    Case("key of one space between others", with_header("Idempotency-Key", "a b"), ActionSuccessful),
    Case("an absolute URL", Request(params(), target=f"http://localhost{CREATE}"), ActionSuccessful),
    Case("a character of the path escaped", Request(params(), target=CREATE.replace("c", "%63")), ActionSuccessful),
    Case("a query", Request(params(), target=f"{CREATE}?token=x&key=5"), ActionSuccessful),
    Case("another token in a header", with_header("Authorization", "Bearer x"), ActionSuccessful),
    Case(
        "the token in a header",
        with_headers(("Content-Type", JSON), ("Authorization", f"Bearer {TOKEN}"), body=with_param(token=None).body),
        ActionSuccessful,
    ),
]

# Malformed values of X-Request-ID, which are replaced.
REQUEST_IDS: list[tuple[str, str | bytes]] = [
    ("spaces", "a b"),
    ("200 characters", "a" * 200),
    ("129 characters", "a" * 129),
    ("empty", ""),
    ("UTF-8", "sch\u00f6n"),
    ("latin 1", b"sch\xf6n"),
    ("markup", "<script>"),
    ("a tab", "a\tb"),
    ("quotes", '"a"'),
    ("escape", "a\\r\\nb"),
]

# Bytes that the HTTP server refuses before a handler runs.
MALFORMED_HTTP: list[tuple[str, bytes]] = [
    ("two content types", with_headers(("Content-Type", JSON), ("Content-Type", ENCODED)).head),
    ("one content type twice", with_headers(("Content-Type", JSON), ("content-type", JSON)).head),
    ("the target *", Request(target="*").head),
    ("not HTTP", b"hello\r\n\r\n"),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    ("a length that is not a number", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n"),
    ("a negative length", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
    ("two lengths", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    ("a length and chunks", b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("a header without a colon", b"GET / HTTP/1.1\r\nHost\r\n\r\n"),
    ("a header with NUL", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n"),
    ("a space before the colon", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n"),
    ("a header too long", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n"),
    ("too many headers", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: a\r\n" * 10_000 + b"\r\n"),
    ("no host", b"GET / HTTP/1.1\r\n\r\n"),
    ("two hosts", b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
    ("an unknown version", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n"),
    ("a version before HTTP/1", b"GET / HTTP/0.9\r\nHost: x\r\n\r\n"),
    ("HTTP/2.0 as the version of HTTP/1", b"POST / HTTP/2.0\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"),
    ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("lines that end in LF", b"GET / HTTP/1.1\nHost: x\n\n"),
    ("a folded header", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\n\r\n"),
    ("a URL with an invalid port", b"GET http://x:99999999/ HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("a chunk of no size", chunked(b"").head + b"zz\r\n{}\r\n0\r\n\r\n"),
    ("a chunk of a size too great", chunked(b"").head + b"f" * 20 + b"\r\n{}"),
    ("Transfer-Encoding: gzip only", Request(framing=(("Transfer-Encoding", "gzip"),)).head + b"{}"),
    ("a path too long", b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
]
