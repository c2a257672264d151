"""The exact headers of responses, on connections that stay open and on connections that close."""

import asyncio
from email.utils import parsedate_to_datetime

import pytest

from tests.api.bad_inputs.wire import Response, connected, receive
from tests.conftest import Client
from tests.factories import CREATE

BODY = b'{"token": "nobody\'s"}'
HEAD = f"POST {CREATE} HTTP/%s\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n"

USUAL = {
    "content-type": "application/json; charset=utf-8",
    "cache-control": "no-store",
    "requirement-outcome": "none",
    "server": "requirements-service",
    "x-content-type-options": "nosniff",
}


async def exchange(client: Client, *requests: bytes) -> tuple[list[Response], bytes]:
    """Send `requests` on one connection; return the responses and the bytes that follow them, b"" once it is closed."""
    assert client.port is not None
    async with asyncio.timeout(5), connected(client.port) as (reader, writer):
        responses = []
        for request in requests:
            writer.write(request)
            responses.append(await receive(reader))
        writer.write_eof()
        return responses, await reader.read()


def request(version: str = "1.1", *headers: str) -> bytes:
    """A create that is refused, with additional headers."""
    return (HEAD % version + "".join(f"{header}\r\n" for header in headers) + "\r\n").encode() + BODY


async def test_a_keep_alive_connection(client: Client) -> None:
    """On a keep-alive connection each response has every header once, and no Connection header."""
    responses, rest = await exchange(client, *[request()] * 3)
    assert rest == b""
    for response in responses:
        names = [name for name, _ in response.headers]
        assert sorted(names) == sorted([*USUAL, "date", "content-length", "x-request-id"])
        assert dict(response.headers).items() >= USUAL.items()
        assert parsedate_to_datetime(response.header("Date") or "").tzinfo is not None
        assert (response.http_code, response.json()["status"]) == (401, "invalid-token")


@pytest.mark.parametrize(
    ("version", "headers", "connection_header"),
    [("1.1", ["Connection: close"], "close"), ("1.0", [], None), ("1.0", ["Connection: keep-alive"], "keep-alive")],
)
async def test_other_connections(
    client: Client, version: str, headers: list[str], connection_header: str | None
) -> None:
    """With Connection: close or HTTP/1.0 the response is the same, with the matching Connection header."""
    (response,), _ = await exchange(client, request(version, *headers))
    assert dict(response.headers).items() >= USUAL.items()
    assert (response.http_code, response.json()["status"]) == (401, "invalid-token")
    assert response.header("Connection") == connection_header


async def test_a_response_to_head_has_no_body(client: Client) -> None:
    """A refused HEAD has a Content-Length and no body, and the connection serves the next request."""
    assert client.port is not None
    async with asyncio.timeout(5), connected(client.port) as (reader, writer):
        writer.write(b"HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")
        head_response = await receive(reader, has_body=False)
        writer.write(request())
        assert (await receive(reader)).http_code == 401
    assert (head_response.http_code, int(head_response.header("Content-Length") or 0) > 0) == (500, True)
