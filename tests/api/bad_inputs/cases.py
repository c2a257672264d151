"""A bad input: its name, a byte-exact request, and the expected status. Apart from its fault it is a valid create."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest

from service.domain.statuses import Status
from tests.factories import CREATE

# Fixed values in the module's database, so that requests can be literal.
TOKEN = "the-token-of-an-application-0123456789-abcd"
USER_ID = 1

JSON = "application/json"
ENCODED = "text/plain"
CHUNK = 65_536

Header = tuple[str, str | bytes]


@dataclass(frozen=True)
class Request:
    """A request as sent on the wire. `framing` replaces the Content-Length header; `body` is then already framed."""

    body: bytes = b""
    headers: tuple[Header, ...] = (("Content-Type", JSON),)
    method: str = "POST"
    target: str = CREATE
    framing: tuple[Header, ...] | None = field(default=None)

    @property
    def head(self) -> bytes:
        """The request line and all headers."""
        framing = (("Content-Length", str(len(self.body))),) if self.framing is None else self.framing
        lines = [f"{self.method} {self.target} HTTP/1.1".encode("latin-1"), b"Host: localhost"]
        lines += [name.encode() + b": " + octets(value) for name, value in (*self.headers, *framing)]
        return b"\r\n".join([*lines, b"", b""])


class Case(NamedTuple):
    """A request, the expected status, and the params that its errors name."""

    name: str
    request: Request
    status: type[Status]
    params: tuple[str, ...] = ()


def cases(*families: Iterable[Case]) -> list[Any]:
    """The cases as pytest params, with their names as ids."""
    found = [case for family in families for case in family]
    assert len({case.name for case in found}) == len(found), "two cases have one name"
    return [pytest.param(case, id=case.name) for case in found]


def octets(value: str | bytes) -> bytes:
    """A header's value as sent on the wire."""
    return value if isinstance(value, bytes) else value.encode("utf-8")


def params(**changes: str | None) -> bytes:
    """The JSON of a valid create, with changes: each value is raw JSON, or None to leave the param out."""
    reference = f'{{"type": "User", "id": {USER_ID}}}'
    content = {"token": f'"{TOKEN}"', "required": reference, "requireable": reference} | changes
    pairs = (f'"{name}": {text}' for name, text in content.items() if text is not None)
    return f"{{{', '.join(pairs)}}}".encode()


def with_param(**changes: str | None) -> Request:
    """A valid create except for these params, each as raw JSON."""
    return Request(params(**changes))


def plain(body: bytes) -> Request:
    """A request with this body as JSON."""
    return Request(body)


def encoded(body: bytes) -> Request:
    """A request with this body as base64."""
    return Request(body, (("Content-Type", ENCODED),))


def with_headers(*headers: Header, body: bytes | None = None) -> Request:
    """A valid create except for its headers."""
    return Request(params() if body is None else body, headers)


def with_header(name: str, value: str | bytes) -> Request:
    """A valid create in JSON, with one more header."""
    return with_headers(("Content-Type", JSON), (name, value))


def chunked(body: bytes, *, ended: bool = True, size: int = CHUNK) -> Request:
    """The body in chunks of `size` bytes. Without `ended` the last chunk is missing, so the server waits for more."""
    parts = (body[at : at + size] for at in range(0, len(body), size))
    framed = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return Request(framed + b"0\r\n\r\n" * ended, framing=(("Transfer-Encoding", "chunked"),))


def quoted(text: str) -> str:
    """The text as a JSON string, without escaping non-ASCII characters."""
    return json.dumps(text, ensure_ascii=False)
