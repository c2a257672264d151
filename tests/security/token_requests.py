"""Requests that carry a token in its documented place, and in every other place."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.factories import CREATE, params


@dataclass(frozen=True)
class Request:
    """A request, and its expected status."""

    status: str
    body: bytes = b""
    path: str = CREATE
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)


def as_json(status: str, content: Any, **headers: str) -> Request:
    """A request with a plain JSON body."""
    extra_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(status, json.dumps(content).encode(), headers={"Content-Type": "application/json"} | extra_headers)


def as_text(status: str, body: bytes) -> Request:
    """A request with a base64 body."""
    return Request(status, base64.b64encode(body), headers={"Content-Type": "text/plain"})


def accepted(token: str, user_id: int) -> Iterator[Request]:
    """Valid requests, with the token in additional places."""
    good = params(token, user_id)
    without_token = {name: value for name, value in good.items() if name != "token"}
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in token)
    success = "action-successful"
    yield as_json(success, good, User_Agent=token, Referer=f"http://example.com/?token={token}", Cookie=f"t={token}")
    yield as_json(success, without_token, Authorization=f"Bearer {token}")
    yield as_json(success, good | {token: token, "deep": [{token: [token]}]})
    yield as_json(success, good, Idempotency_Key=token)
    yield as_json(success, good, X_Forwarded_For=token, X_Token=base64.b64encode(token.encode()).decode())
    yield as_text(success, json.dumps(good).encode())
    yield Request(
        success,
        json.dumps(good).replace(token, escaped).encode(),
        f"{CREATE}?token={quote(token)}&{quote(token)}=1",
        headers={"Content-Type": "application/json"},
    )


def refused(token: str, user_id: int) -> Iterator[Request]:
    """Requests that are refused."""
    good = params(token, user_id)
    yield as_json("invalid-param", good | {"required": {"type": token, "id": 1}, "session_view": token})
    yield as_json("invalid-param", good | {"required": token, "key": [token]})
    yield as_json("invalid-param", good | {"required": {"type": "User", "id": 2**62}})
    yield as_json("invalid-param", good, Idempotency_Key=token * 9)
    yield as_json("missing-param", {"token": token})
    yield as_json("invalid-token", good | {"token": token + " "})
    yield as_json("invalid-token", good | {"token": [token]})
    yield as_json("invalid-content-type", good, Content_Type=f"text/{token}")
    yield as_json("invalid-content-type", good, Content_Type=f"application/json; charset={token}")
    yield as_json("invalid-content-type", good, Content_Encoding=token)
    yield as_text("invalid-encoded-params", f'{{"token": "{token}", "token": "{token}"'.encode())
    yield Request("invalid-encoded-params", token.encode() + b"*", headers={"Content-Type": "text/plain"})
    yield Request("invalid-encoded-params", token.encode(), headers={"Content-Type": "application/json"})
    yield as_json("no-params-decoded", [token])
    yield Request("route-non-existent", path=f"/api/v1/{quote(token)}?token={quote(token)}")
    yield Request("route-non-existent", path=f"{CREATE}/{quote(token)}", method="DELETE")


def malformed(token: str) -> Iterator[bytes]:
    """Malformed HTTP, with the token at the fault."""
    start = f"POST {CREATE} HTTP/1.1\r\nHost: x\r\n"
    yield f"{start}Authorization: Bearer {token}\0\r\n\r\n".encode()
    yield f"{start}Bearer {token}\r\n\r\n".encode()
    yield f"{start}Content-Length: {token}\r\n\r\n".encode()
    yield f"{token} {CREATE} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    yield f"POST {CREATE}?{token} HTTP/{token}\r\nHost: x\r\n\r\n".encode()
    yield f"{start}Transfer-Encoding: chunked\r\n\r\n{token}\r\n".encode()
