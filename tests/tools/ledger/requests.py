"""The requests of the load, each with a marker of its own, from a seed."""

import base64
import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.factories import CREATE
from tests.tools.ledger.callers import Caller, Population

SUCCESS = "action-successful"
NOBODY = Caller("nobody", "a token of nobody's")
KEYS = (None, "", "tier", "clé", "k" * 255)
TAILS = ("", " gold", " žluťoučký kůň 🐎", " " + "x" * 1000)

# Each breaks one rule, by replacing one param.
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
    """A create. `want` is its status where nothing is broken; `idempotency_key` lets it be sent again."""

    marker: str
    caller: Caller
    params: dict[str, Any]
    want: str = SUCCESS
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
        """The whole request, as it goes over the wire."""
        return self.head + self.body


class Requests:
    """Makes requests of a population, the same ones for the same seed but for their markers, which begin with `run`."""

    def __init__(self, population: Population, seed: int) -> None:
        self._population = population
        self._random = random.Random(seed)  # noqa: S311 - nothing to be guessed
        self.run = secrets.token_hex(4)
        self._made = 0

    def next(self) -> Request:
        """One of the load: mostly good ones, a third of these with a key, and some that must fail."""
        dice = self._random.random()
        if dice < 0.03:
            return self.make(caller=NOBODY, want="invalid-token")
        if dice < 0.06:
            absent = {"type": "User", "id": 2**62 + self._made}
            return self.make(want="invalid-param", keyed=dice < 0.04, changes={"required": absent})
        if dice < 0.10:
            name, value, want = self._random.choice(BAD_PARAMS)
            return self.make(want=want, changes={name: value})
        return self.make(keyed=dice > 0.7)

    def make(
        self,
        *,
        caller: Caller | None = None,
        want: str = SUCCESS,
        keyed: bool = False,
        changes: Mapping[str, object] | None = None,
    ) -> Request:
        """One by `caller`, or anyone; `changes` replace params, but never the value, which holds the marker."""
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
        return Request(marker, caller, params, want, f"key-{marker}" if keyed else None, encoded)

    def clash(self, earlier: Request) -> Request:
        """Another requirement under the key of an `earlier` one that was recorded."""
        other = self.make(caller=earlier.caller, want="invalid-param")
        return Request(other.marker, other.caller, other.params, other.want, earlier.idempotency_key, other.encoded)
