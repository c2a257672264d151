"""Mutate requests as bytes: flip bits, insert, delete, duplicate, and splice two requests."""

from collections.abc import Iterator
from random import Random

from tests.api.bad_inputs.cases import Request, chunked, with_header, with_param
from tests.factories import CREATE

# The token is unknown, so none of these requests can write.
_REFUSED = with_param(token='"of-nobody"')
_CHUNKED = chunked(_REFUSED.body, size=50)


def _wire(request: Request) -> bytes:
    return request.head + request.body


VALID = [
    _wire(_REFUSED),
    _wire(_CHUNKED),
    _wire(_CHUNKED).replace(b"32\r\n", b"32;x=y\r\n"),
    _wire(_CHUNKED).replace(b"0\r\n\r\n", b"0\r\nX-Trailer: a\r\n\r\n"),
    _wire(with_header("X-Request-ID", "abc")),
    _wire(with_header("Expect", "100-continue")),
    _wire(with_header("Connection", "close")),
    _wire(with_header("Connection", "keep-alive")).replace(b"HTTP/1.1", b"HTTP/1.0"),
    _wire(_REFUSED).replace(CREATE.encode(), b"http://localhost" + CREATE.encode()),
    _wire(_REFUSED) * 2,
    _wire(_CHUNKED) + _wire(Request(target="/nowhere", method="GET", headers=())),
    _wire(Request(target="/nowhere", method="DELETE", headers=())) + _wire(_REFUSED),
]

_PIECES = [
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b",", b"\r\n\r\n", b"\n\n", b"\r\n ", b"\r\n\t", b"\xff"),
    *(b"\r\nTransfer-Encoding: chunked", b"\r\nTransfer-Encoding: identity", b"\r\nTransfer-Encoding : chunked"),
    *(b"\r\ntransfer-encoding:\x0bchunked", b"\r\nTransfer-Encoding: chunked, chunked", b"\r\nContent-Length: 5"),
    *(b"\r\nContent-Length: 0", b"\r\nContent-Length: +5", b"\r\nContent-Length: 5, 5", b"\r\nContent-Length: 0x5"),
    *(b"\r\nContent-Length: -1", b"\r\nContent-Length:", b"\r\nConnection: close", b"\r\nConnection: upgrade"),
    *(b"\r\nUpgrade: websocket", b"\r\nExpect: 100-continue", b"\r\nHost: other", b"\r\nX: " + b"a" * 9000, b"\r\nX"),
    *(
        b"\r\nX: a" * 200,
        b"0\r\n\r\n",
        b"5\r\nabcde\r\n",
        b"ffffffffffffffff\r\n",
        b"-5\r\n",
        b"0x5\r\n",
        b"5 ;a=b\r\n",
    ),
    *(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.1 ", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
]


def mutated_requests(random: Random) -> Iterator[bytes]:
    """Yield mutated requests without end, most of them with one mutation."""
    while True:
        octets = random.choice(VALID)
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            octets = _changed(octets, random)
        yield octets


def _changed(octets: bytes, random: Random) -> bytes:
    # Most mutations go into the head, where framing is decided.
    heads = max(octets.find(b"\r\n\r\n") + 4, 1)
    at = random.randrange(heads if random.random() < 0.7 else len(octets) or 1)
    length = random.choice((1, 1, 2, 4, 20))
    match random.randrange(6):
        case 0:
            return octets[:at] + bytes([(octets[at : at + 1] or b"x")[0] ^ 1 << random.randrange(8)]) + octets[at + 1 :]
        case 1:
            return octets[:at] + random.choice(_PIECES) + octets[at:]
        case 2:
            return octets[:at] + octets[at + length :]
        case 3:
            return octets[: at + length] + octets[at:]
        case 4:
            other = random.choice(VALID)
            return octets[:at] + other[random.randrange(len(other)) :]
        case _:
            line = octets.find(b"\r\n", at)
            return octets[:line] + random.choice(_PIECES) + octets[line:]
