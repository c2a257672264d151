"""The requests of the load, built in advance."""

import random
from collections.abc import Iterator

import orjson

from tests.tools.benchmark.plan import Callers

PATH = "/api/v1/requirements/create"
RECORDS = 1_000  # services and applications, with ids from 1
REQUESTS = 10_000

# Every run sends the same requests.
_SEED = 4


def token(callers: Callers, number: int) -> str:
    """Return the token of an application or a session, as sql/ creates them."""
    start = f"benchmark-{callers}-"
    return f"{start}{number:0{43 - len(start)}}"


def params(callers: Callers, population: int) -> Iterator[dict[str, object]]:
    """Yield params of creates by callers and with references spread over all records."""
    choose = random.Random(_SEED)  # noqa: S311 - not a secret
    while True:
        yield {
            "token": token(callers, choose.randint(1, population)),
            "required": {"type": "Service", "id": choose.randint(1, RECORDS)},
            "requireable": {"type": "Application", "id": choose.randint(1, RECORDS)},
            "key": "tier",
            "value": "gold",
        }


def requests(callers: Callers, population: int, port: int) -> list[bytes]:
    """Return complete HTTP requests as bytes."""
    bodies = params(callers, population)
    return [_request(orjson.dumps(next(bodies)), port) for _ in range(REQUESTS)]


def _request(body: bytes, port: int) -> bytes:
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
