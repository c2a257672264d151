"""One byte-exact HTTP exchange over its own socket, without a client library that might correct the request."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from tests.api.bad_inputs.cases import Request

TIMEOUT_SECONDS = 1.0


@dataclass(frozen=True)
class Response:
    """A response: its HTTP code, its headers with lower-case names, and its body."""

    http_code: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The header's only value, or None."""
        values = [value for found, value in self.headers if found == name.lower()]
        assert len(values) <= 1, f"two {name} headers"
        return values[0] if values else None

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


async def exchange(port: int, request: Request) -> Response:
    """Send `request`; return the response, which must come within a second, even if the body was not read."""
    async with asyncio.timeout(TIMEOUT_SECONDS), connected(port) as (reader, writer):
        sending = asyncio.create_task(_send(writer, request.head + request.body))
        try:
            return await receive(reader, has_body=request.method != "HEAD")
        finally:
            sending.cancel()
            await asyncio.wait([sending])


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the service."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        # Abort instead of close: unsent bytes are not needed.
        writer.transport.abort()


async def _send(writer: asyncio.StreamWriter, octets: bytes) -> None:
    writer.write(octets)
    # The server may respond and close the connection before the whole request is sent.
    with contextlib.suppress(ConnectionError):
        await writer.drain()


async def receive(reader: asyncio.StreamReader, *, has_body: bool = True) -> Response:
    """Read the next response on a connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status_line, *lines = head.strip().split("\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    response = Response(int(status_line.split()[1]), headers, b"")
    length = int(response.header("Content-Length") or 0) if has_body else 0
    return Response(response.http_code, headers, await reader.readexactly(length))
