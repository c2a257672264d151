"""The requests of the load, built before it begins."""

import random
from collections.abc import Iterator

import orjson

from tests.tools.benchmark.plan import Callers

PATH = "/api/v1/requirements/create"
REFERRED = 1_000  # how many services and applications there are, with the ids from 1
REQUESTS = 10_000

# Every run sends the same requests.
_SEED = 4


def token(callers: Callers, number: int) -> str:
    """The token of an application or a session, as sql/ makes them."""
    start = f"benchmark-{callers}-"
    return f"{start}{number:0{43 - len(start)}}"


def params(callers: Callers, population: int) -> Iterator[dict[str, object]]:
    """Params of creates, of callers spread over the whole `population`, that refer here and there."""
    choose = random.Random(_SEED)  # noqa: S311 - nothing to be guessed
    while True:
        yield {
            "token": token(callers, choose.randint(1, population)),
            "required": {"type": "Service", "id": choose.randint(1, REFERRED)},
            "requireable": {"type": "Application", "id": choose.randint(1, REFERRED)},
            "key": "tier",
            "value": "gold",
        }


def requests(callers: Callers, population: int, port: int) -> list[bytes]:
    """Whole requests, as they go over the wire."""
    bodies = params(callers, population)
    return [_request(orjson.dumps(next(bodies)), port) for _ in range(REQUESTS)]


def _request(body: bytes, port: int) -> bytes:
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
