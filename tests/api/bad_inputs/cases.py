"""A bad input: its name, a request to the byte, and the status it is owed. But for its fault, it would be a create."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest

from service.domain.statuses import Status
from tests.factories import CREATE

# What the module's database holds, so that requests can be written down in full.
TOKEN = "the-token-of-an-application-0123456789-abcd"
USER_ID = 1

JSON = "application/json"
ENCODED = "text/plain"
CHUNK = 65_536

Header = tuple[str, str | bytes]


@dataclass(frozen=True)
class Request:
    """A request as it goes over the wire. `sent` is the body as framed, with the headers that frame it."""

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
    """A request, the status it is owed, and the params that its errors name."""

    name: str
    request: Request
    status: type[Status]
    params: tuple[str, ...] = ()


def cases(*families: Iterable[Case]) -> list[Any]:
    """The cases as pytest's, called by their names."""
    found = [case for family in families for case in family]
    assert len({case.name for case in found}) == len(found), "two cases have one name"
    return [pytest.param(case, id=case.name) for case in found]


def octets(value: str | bytes) -> bytes:
    """A header's value as it goes over the wire."""
    return value if isinstance(value, bytes) else value.encode("utf-8")


def params(**changes: str | None) -> bytes:
    """The JSON of a create that succeeds, with changes: each is JSON as it is, or None for a param left out."""
    reference = f'{{"type": "User", "id": {USER_ID}}}'
    content = {"token": f'"{TOKEN}"', "required": reference, "requireable": reference} | changes
    pairs = (f'"{name}": {text}' for name, text in content.items() if text is not None)
    return f"{{{', '.join(pairs)}}}".encode()


def with_param(**changes: str | None) -> Request:
    """A create that succeeds but for these params, each JSON as it is."""
    return Request(params(**changes))


def plain(body: bytes) -> Request:
    """A body sent as JSON."""
    return Request(body)


def encoded(body: bytes) -> Request:
    """A body sent as base64."""
    return Request(body, (("Content-Type", ENCODED),))


def with_headers(*headers: Header, body: bytes | None = None) -> Request:
    """A create that succeeds but for its headers."""
    return Request(params() if body is None else body, headers)


def with_header(name: str, value: str | bytes) -> Request:
    """A create in JSON that succeeds but for one more header."""
    return with_headers(("Content-Type", JSON), (name, value))


def chunked(body: bytes, *, ended: bool = True, size: int = CHUNK) -> Request:
    """The body in chunks of `size` bytes; one that is not `ended` leaves the server to wait for more."""
    parts = (body[at : at + size] for at in range(0, len(body), size))
    framed = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return Request(framed + b"0\r\n\r\n" * ended, framing=(("Transfer-Encoding", "chunked"),))


def quoted(text: str) -> str:
    """A text as JSON, its characters as they are."""
    return json.dumps(text, ensure_ascii=False)
