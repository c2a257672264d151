"""Edge cases of HTTP framing: name, bytes, and expected answers. `400` is the server's bare answer, always the last."""

from tests.api.bad_inputs.cases import Request, chunked, with_param
from tests.factories import CREATE

# The token is unknown, so none of these requests can write.
REFUSED = with_param(token='"of-nobody"')
WELL_FORMED = REFUSED.head + REFUSED.body
BODY = REFUSED.body
LENGTH = str(len(BODY)).encode()
CHUNKED = chunked(BODY)
IN_CHUNKS = CHUNKED.head + CHUNKED.body

BARE = "400"
INVALID_TOKEN = "invalid-token"
NO_ROUTE = "route-non-existent"


def _post(*lines: bytes, body: bytes = BODY) -> bytes:
    head = [b"POST " + CREATE.encode() + b" HTTP/1.1", b"Host: localhost", b"Content-Type: application/json", *lines]
    return b"\r\n".join([*head, b"", body])


_CHUNKS = CHUNKED.body
_SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

REFUSED_FRAMING: list[tuple[str, bytes, list[str]]] = [
    ("a length and chunks", _post(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=_CHUNKS), [BARE]),
    ("chunks and a length", _post(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=_CHUNKS), [BARE]),
    (
        "chunks around another request",
        _post(b"Content-Length: 6", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + _SMUGGLED),
        [BARE],
    ),
    ("two lengths that differ", _post(b"Content-Length: 0", b"Content-Length: " + LENGTH), [BARE]),
    ("two equal lengths", _post(b"Content-Length: " + LENGTH, b"Content-Length: " + LENGTH), [BARE]),
    ("lengths in a list", _post(b"Content-Length: 5, 5"), [BARE]),
    ("a length with a sign", _post(b"Content-Length: +" + LENGTH), [BARE]),
    ("a length in hexadecimal", _post(b"Content-Length: 0x10"), [BARE]),
    ("a length beyond 64 bits", _post(b"Content-Length: 99999999999999999999"), [BARE]),
    ("an empty length", _post(b"Content-Length:"), [BARE]),
    ("an unknown transfer coding", _post(b"Transfer-Encoding: xchunked", body=_CHUNKS), [BARE]),
    ("chunked, but not as the last coding", _post(b"Transfer-Encoding: chunked, identity", body=_CHUNKS), [BARE]),
    ("a transfer coding after a vertical tab", _post(b"Transfer-Encoding:\x0bchunked", body=_CHUNKS), [BARE]),
    ("a space before a colon", _post(b"Transfer-Encoding : chunked", body=_CHUNKS), [BARE]),
    ("a folded transfer coding", _post(b"Transfer-Encoding:\r\n chunked", body=_CHUNKS), [BARE]),
    ("a folded header", _post(b"X-A: a\r\n\tb", b"Content-Length: " + LENGTH), [BARE]),
    ("a header without a name", _post(b": a", b"Content-Length: " + LENGTH), [BARE]),
    ("CR alone in a header", _post(b"X-A: a\rX-B: b", b"Content-Length: " + LENGTH), [BARE]),
    ("LF alone between headers", _post(b"X-A: a\nX-B: b", b"Content-Length: " + LENGTH), [BARE]),
    ("a chunk size with a sign", CHUNKED.head + b"+5\r\nabcde\r\n0\r\n\r\n", [BARE]),
    ("a negative chunk size", CHUNKED.head + b"-1\r\n\r\n0\r\n\r\n", [BARE]),
    ("a chunk size in 0x", CHUNKED.head + b"0x5\r\nabcde\r\n0\r\n\r\n", [BARE]),
    ("a chunk size with a space", CHUNKED.head + b"5 \r\nabcde\r\n0\r\n\r\n", [BARE]),
    ("an empty chunk size", CHUNKED.head + b"\r\nabcde\r\n0\r\n\r\n", [BARE]),
    ("a chunk longer than it says", CHUNKED.head + b"3\r\nabcde\r\n0\r\n\r\n", [BARE]),
    ("a chunk size ended by LF", CHUNKED.head + b"5\nabcde\r\n0\r\n\r\n", [BARE]),
    ("chunk data ended by LF", CHUNKED.head + b"5\r\nabcde\n0\r\n\r\n", [BARE]),
    ("no HTTP after a good request", WELL_FORMED + b"nonsense\r\n\r\n", [BARE]),
    ("TLS after a good request", WELL_FORMED + b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", [BARE]),
    ("20,000 headers", _post(*[b"X-A: a"] * 20_000, b"Content-Length: " + LENGTH), [BARE]),
    ("a header of 64 kilobytes", _post(b"X-A: " + b"a" * 65_536, b"Content-Length: " + LENGTH), [BARE]),
    ("a name of 64 kilobytes", _post(b"a" * 65_536 + b": a", b"Content-Length: " + LENGTH), [BARE]),
    ("a method of 64 kilobytes", b"A" * 65_536 + b" / HTTP/1.1\r\n\r\n", [BARE]),
    # Earlier requests in the same chunk of data are discarded with the invalid one.
    ("a trailer that would be a length", IN_CHUNKS[:-2] + b"Content-Length: 5\r\n\r\n" + WELL_FORMED, [BARE]),
    ("nothing after a close", _post(b"Connection: close", b"Content-Length: " + LENGTH) + WELL_FORMED, [BARE]),
]

ANSWERED: list[tuple[str, bytes, list[str]]] = [
    ("a chunk extension", IN_CHUNKS.replace(b"\r\n{", b";name=value\r\n{"), [INVALID_TOKEN]),
    ("a quoted chunk extension", IN_CHUNKS.replace(b"\r\n{", b';name="a b"\r\n{'), [INVALID_TOKEN]),
    ("chunk sizes with zeros", CHUNKED.head + b"000%X\r\n%s\r\n000\r\n\r\n" % (len(BODY), BODY), [INVALID_TOKEN]),
    ("a trailer", IN_CHUNKS[:-2] + b"X-Trailer: a\r\n\r\n", [INVALID_TOKEN]),
    ("an empty line first", b"\r\n" + WELL_FORMED, [INVALID_TOKEN]),
    ("HTTP/1.0", WELL_FORMED.replace(b"HTTP/1.1", b"HTTP/1.0"), [INVALID_TOKEN]),
    ("HTTP/1.0 without a host", WELL_FORMED.replace(b"HTTP/1.1\r\nHost: localhost", b"HTTP/1.0"), [INVALID_TOKEN]),
    (
        "the address in full",
        WELL_FORMED.replace(CREATE.encode(), b"http://localhost" + CREATE.encode()),
        [INVALID_TOKEN],
    ),
    (
        "the address in full at another host",
        WELL_FORMED.replace(CREATE.encode(), b"http://other" + CREATE.encode()),
        [INVALID_TOKEN],
    ),
    (
        "an upgrade that the server does not support",
        _post(b"Connection: upgrade", b"Upgrade: websocket", b"Content-Length: " + LENGTH),
        [INVALID_TOKEN],
    ),
    ("ten in a row", WELL_FORMED * 10, [INVALID_TOKEN] * 10),
    ("lengths and chunks by turns", (WELL_FORMED + IN_CHUNKS) * 5, [INVALID_TOKEN] * 10),
    (
        "a body that looks like a request",
        Request(_SMUGGLED).head + _SMUGGLED + WELL_FORMED,
        ["invalid-encoded-params", INVALID_TOKEN],
    ),
    (
        "a body where none is read",
        _SMUGGLED.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nabcde") + WELL_FORMED,
        [NO_ROUTE, INVALID_TOKEN],
    ),
]
