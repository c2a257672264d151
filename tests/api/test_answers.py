"""An answer to the byte: written in one piece where the connection stays open, by aiohttp where it does not."""

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


async def answers(client: Client, *requests: bytes) -> tuple[list[Response], bytes]:
    """The answers to requests on one connection, and what comes after them: nothing, once it is closed."""
    assert client.port is not None
    async with asyncio.timeout(5), connected(client.port) as (reader, writer):
        found = []
        for request in requests:
            writer.write(request)
            found.append(await receive(reader))
        writer.write_eof()
        return found, await reader.read()


def request(version: str = "1.1", *headers: str) -> bytes:
    """A create that is refused, with more headers."""
    return (HEAD % version + "".join(f"{header}\r\n" for header in headers) + "\r\n").encode() + BODY


async def test_a_connection_that_stays_open(client: Client) -> None:
    """Each answer has every header once, says nothing of the connection, and is followed by the next."""
    found, rest = await answers(client, *[request()] * 3)
    assert rest == b""
    for answer in found:
        names = [name for name, _ in answer.headers]
        assert sorted(names) == sorted([*USUAL, "date", "content-length", "x-request-id"])
        assert dict(answer.headers).items() >= USUAL.items()
        assert parsedate_to_datetime(answer.header("Date") or "").tzinfo is not None
        assert (answer.http_code, answer.json()["status"]) == (401, "invalid-token")


@pytest.mark.parametrize(
    ("version", "headers", "said"),
    [("1.1", ["Connection: close"], "close"), ("1.0", [], None), ("1.0", ["Connection: keep-alive"], "keep-alive")],
)
async def test_other_connections(client: Client, version: str, headers: list[str], said: str | None) -> None:
    """A caller that closes, or speaks HTTP/1.0, is told the same, and what becomes of the connection."""
    (answer,), _ = await answers(client, request(version, *headers))
    assert dict(answer.headers).items() >= USUAL.items()
    assert (answer.http_code, answer.json()["status"]) == (401, "invalid-token")
    assert answer.header("Connection") == said


async def test_an_answer_to_head_has_no_body(client: Client) -> None:
    """HEAD where it is not known tells how long the body would be, and the next request is answered."""
    assert client.port is not None
    async with asyncio.timeout(5), connected(client.port) as (reader, writer):
        writer.write(b"HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")
        told = await receive(reader, has_body=False)
        writer.write(request())
        assert (await receive(reader)).http_code == 401
    assert (told.http_code, int(told.header("Content-Length") or 0) > 0) == (500, True)
