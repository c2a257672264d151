"""Generate the requests of the load from a seed, each with a unique marker."""

import base64
import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from tests.factories import CREATE
from tests.tools.ledger.callers import Caller, Population

SUCCESS = "action-successful"
UNKNOWN_CALLER = Caller("unknown caller", "an unknown token")
KEYS = (None, "", "tier", "clé", "k" * 255)
TAILS = ("", " gold", " žluťoučký kůň 🐎", " " + "x" * 1000)

# Each replaces one param with an invalid value.
BAD_PARAMS: tuple[tuple[str, object, str], ...] = (
    ("required", {"type": "User", "id": "5"}, "invalid-param"),
    ("required", {"type": "Planet", "id": 5}, "invalid-param"),
    ("requireable", {"type": "User", "id": 0}, "invalid-param"),
    ("requireable", None, "missing-param"),
    ("key", "k" * 256, "invalid-param"),
    ("session_view", "everything", "invalid-param"),
)


@dataclass(frozen=True, slots=True)
class Request:
    """A create request. `expected_status` is its status without faults; with `idempotency_key` it can be retried."""

    marker: str
    caller: Caller
    params: dict[str, Any]
    expected_status: str = SUCCESS
    idempotency_key: str | None = None
    encoded: bool = False
    head: bytes = field(init=False)
    body: bytes = field(init=False)

    def __post_init__(self) -> None:
        body = orjson.dumps(self.params)
        body = base64.b64encode(body) if self.encoded else body
        lines = [
            f"POST {CREATE} HTTP/1.1",
            "Host: ledger",
            f"Content-Type: {'text/plain' if self.encoded else 'application/json'}",
            f"Content-Length: {len(body)}",
            *([f"Idempotency-Key: {self.idempotency_key}"] if self.idempotency_key else []),
        ]
        object.__setattr__(self, "head", "\r\n".join([*lines, "", ""]).encode())
        object.__setattr__(self, "body", body)

    @property
    def message(self) -> bytes:
        """The whole request as bytes."""
        return self.head + self.body


class Requests:
    """Generator of requests. The same seed gives the same requests, but new markers, which begin with `run`."""

    def __init__(self, population: Population, seed: int) -> None:
        self._population = population
        self._random = random.Random(seed)  # noqa: S311 - nothing to be guessed
        self.run = secrets.token_hex(4)
        self._made = 0

    def next(self) -> Request:
        """Return a request: mostly valid ones, a third of these with a key, and some that must be refused."""
        roll = self._random.random()
        if roll < 0.03:
            return self.make(caller=UNKNOWN_CALLER, expected_status="invalid-token")
        if roll < 0.06:
            absent = {"type": "User", "id": 2**62 + self._made}
            return self.make(expected_status="invalid-param", keyed=roll < 0.04, changes={"required": absent})
        if roll < 0.10:
            name, value, expected_status = self._random.choice(BAD_PARAMS)
            return self.make(expected_status=expected_status, changes={name: value})
        return self.make(keyed=roll > 0.7)

    def make(
        self,
        *,
        caller: Caller | None = None,
        expected_status: str = SUCCESS,
        keyed: bool = False,
        changes: Mapping[str, object] | None = None,
    ) -> Request:
        """Return a request by `caller` (default: any). `changes` replace params, never the value (marker)."""
        choose = self._random.choice
        caller = caller or choose(self._population.callers)
        self._made += 1
        marker = f"{self.run}-{self._made}"
        (required, requireable) = (choose(self._population.references) for _ in range(2))
        params = {
            "token": caller.token,
            "required": {"type": required[0], "id": required[1]},
            "requireable": {"type": requireable[0], "id": requireable[1]},
            "key": choose(KEYS),
            "value": marker + choose(TAILS),
            **(changes or {}),
        }
        encoded = self._random.random() < 0.3
        return Request(marker, caller, params, expected_status, f"key-{marker}" if keyed else None, encoded)

    def reuse_key(self, earlier: Request) -> Request:
        """Return a different request with the key of an `earlier` recorded one."""
        other = self.make(caller=earlier.caller, expected_status="invalid-param")
        return replace(other, idempotency_key=earlier.idempotency_key)
