"""Send the same request to the service directly and through nginx."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.factories import CREATE

# Headers of the connection or the time, which may differ between responses.
IGNORED_HEADERS = {"Date", "Connection", "Keep-Alive"}

# Fields that differ between two requirements with the same params.
IGNORED_FIELDS = {"id", "created_at", "updated_at"}


@dataclass(frozen=True)
class HttpRequest:
    """A request that can be sent more than once."""

    body: bytes | str = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    path: str = CREATE


@dataclass(frozen=True)
class HttpResponse:
    """A response without hop-by-hop and time-dependent headers."""

    code: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The body as JSON."""
        body: dict[str, Any] = json.loads(self.raw)
        return body

    def comparable(self) -> tuple[int, dict[str, str], object]:
        """Code, headers and body, without the values that differ between two creates."""
        try:
            body: Any = json.loads(self.raw)
        except ValueError:
            return self.code, self.headers, self.raw
        ignored = {"Content-Length"}
        if body.get("data"):
            body["data"] = {name: value for name, value in body["data"].items() if name not in IGNORED_FIELDS}
        else:
            ignored = set()
        return self.code, {name: value for name, value in self.headers.items() if name not in ignored}, body


def as_json(params: object, **headers: str) -> HttpRequest:
    """A create with these params as plain JSON."""
    return HttpRequest(json.dumps(params), {"Content-Type": "application/json", **headers})


async def send(http: aiohttp.ClientSession, url: str, request: HttpRequest) -> HttpResponse:
    """Send a request to `url`; return the response."""
    async with http.request(
        request.method, f"{url}{request.path}", data=request.body, headers=request.headers
    ) as response:
        headers = {
            name.title(): value for name, value in response.headers.items() if name.title() not in IGNORED_HEADERS
        }
        return HttpResponse(response.status, headers, await response.read())
