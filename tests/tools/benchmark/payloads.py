"""The requests of the load, built in advance."""

import random
from collections.abc import Iterator

import orjson

from tests.tools.benchmark.plan import Callers

PATH = "/api/v1/requirements/create"
BATCH_PATH = "/api/v1/requirements/create_many"
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


def requests(callers: Callers, population: int, port: int, items: int = 1) -> list[bytes]:
    """Return complete HTTP requests as bytes: creates, or with several `items` calls that create so many."""
    bodies = params(callers, population)
    if items == 1:
        return [_request(PATH, next(bodies), port) for _ in range(REQUESTS)]
    return [_request(BATCH_PATH, _batch(bodies, items), port) for _ in range(REQUESTS // items)]


def _batch(bodies: Iterator[dict[str, object]], items: int) -> dict[str, object]:
    wanted = [next(bodies) for _ in range(items)]
    tokens = [one.pop("token") for one in wanted]
    return {"token": tokens[0], "requirements": wanted}


def _request(path: str, wanted: dict[str, object], port: int) -> bytes:
    body = orjson.dumps(wanted)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
