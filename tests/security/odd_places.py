"""Requests that carry a token where it belongs, and wherever else somebody might put it."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.factories import CREATE, params


@dataclass(frozen=True)
class Request:
    """One request, and the status that it gets, of which the first is expected where all is well."""

    status: str
    body: bytes = b""
    path: str = CREATE
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)


def as_json(status: str, content: Any, **headers: str) -> Request:
    """A plain body."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(status, json.dumps(content).encode(), headers={"Content-Type": "application/json"} | told)


def as_text(status: str, body: bytes) -> Request:
    """An encoded body."""
    return Request(status, base64.b64encode(body), headers={"Content-Type": "text/plain"})


def right(token: str, user_id: int) -> Iterator[Request]:
    """What is answered well, however oddly it is asked."""
    good = params(token, user_id)
    nameless = {name: value for name, value in good.items() if name != "token"}
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in token)
    done = "action-successful"
    yield as_json(done, good, User_Agent=token, Referer=f"http://example.com/?token={token}", Cookie=f"t={token}")
    yield as_json(done, nameless, Authorization=f"Bearer {token}")
    yield as_json(done, good | {token: token, "deep": [{token: [token]}]})
    yield as_json(done, good, Idempotency_Key=token)
    yield as_json(done, good, X_Forwarded_For=token, X_Token=base64.b64encode(token.encode()).decode())
    yield as_text(done, json.dumps(good).encode())
    yield Request(
        done,
        json.dumps(good).replace(token, escaped).encode(),
        f"{CREATE}?token={quote(token)}&{quote(token)}=1",
        headers={"Content-Type": "application/json"},
    )


def wrong(token: str, user_id: int) -> Iterator[Request]:
    """What is refused."""
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
    """What is no HTTP, with the token right where it ceases to be."""
    start = f"POST {CREATE} HTTP/1.1\r\nHost: x\r\n"
    yield f"{start}Authorization: Bearer {token}\0\r\n\r\n".encode()
    yield f"{start}Bearer {token}\r\n\r\n".encode()
    yield f"{start}Content-Length: {token}\r\n\r\n".encode()
    yield f"{token} {CREATE} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    yield f"POST {CREATE}?{token} HTTP/{token}\r\nHost: x\r\n\r\n".encode()
    yield f"{start}Transfer-Encoding: chunked\r\n\r\n{token}\r\n".encode()
