"""The same request, sent to the service itself and through nginx."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.factories import CREATE

# What belongs to a connection or to a moment, not to the answer.
PASSING = {"Date", "Connection", "Keep-Alive"}

# What a record has of its own: a second create makes a second one.
OWN = {"id", "created_at", "updated_at"}


@dataclass(frozen=True)
class Sent:
    """A request to be sent more than once."""

    body: bytes | str = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    path: str = CREATE


@dataclass(frozen=True)
class Got:
    """An answer, whole but for what passes."""

    code: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The JSON in it."""
        body: dict[str, Any] = json.loads(self.raw)
        return body

    def told(self) -> tuple[int, dict[str, str], object]:
        """What it tells, whichever record it made."""
        try:
            body: Any = json.loads(self.raw)
        except ValueError:
            return self.code, self.headers, self.raw
        sizes = {"Content-Length"}
        if body.get("data"):
            body["data"] = {name: value for name, value in body["data"].items() if name not in OWN}
        else:
            sizes = set()
        return self.code, {name: value for name, value in self.headers.items() if name not in sizes}, body


def as_json(params: object, **headers: str) -> Sent:
    """A create with these params in plain JSON."""
    return Sent(json.dumps(params), {"Content-Type": "application/json", **headers})


async def send(http: aiohttp.ClientSession, url: str, sent: Sent) -> Got:
    """The answer from there."""
    async with http.request(sent.method, f"{url}{sent.path}", data=sent.body, headers=sent.headers) as response:
        headers = {name.title(): value for name, value in response.headers.items() if name.title() not in PASSING}
        return Got(response.status, headers, await response.read())
