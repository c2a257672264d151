"""An HTTP/1.1 connection over a plain socket, without the retries of a client library."""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any

from tests.factories import CREATE

ANSWER_SECONDS = 15.0

Address = tuple[str, int]


class NoAnswerError(Exception):
    """The connection failed or closed before a complete response. The message says when and why."""


@dataclass(frozen=True)
class RawAnswer:
    """A response. `closes` is whether it had `Connection: close`."""

    code: int
    closes: bool
    body: Any


class Connection:
    """An HTTP/1.1 connection that is kept alive until a response closes it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.asked = 0

    @classmethod
    async def to(cls, address: Address) -> "Connection":
        """Open a connection. Raises `NoAnswerError` if it is refused."""
        try:
            return cls(*await asyncio.open_connection(*address))
        except OSError as error:
            raise NoAnswerError(f"connecting: {error!r}") from None

    async def create(self, params: dict[str, object]) -> RawAnswer:
        """Send a create. Returns the response. Raises `NoAnswerError`."""
        return await self.ask("POST", CREATE, json.dumps(params).encode())

    async def ask(self, method: str, path: str, body: bytes = b"") -> RawAnswer:
        """Send a request. Returns the response. Raises `NoAnswerError`."""
        head = f"{method} {path} HTTP/1.1\r\nHost: test\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self.asked += 1
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                self._writer.write(head.encode() + b"\r\n" + body)
                return await self._read()
        except (OSError, EOFError, TimeoutError) as error:
            raise NoAnswerError(f"request {self.asked} of a connection: {error!r}") from None

    async def _read(self) -> RawAnswer:
        status, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await self._reader.readexactly(int(fields["content-length"]))
        answer = json.loads(body) if "json" in fields["content-type"] else body
        return RawAnswer(int(status.split()[1]), fields.get("connection", "").lower() == "close", answer)

    async def closed(self, seconds: float) -> bool:
        """Whether the server closes the connection within `seconds` without sending anything."""
        try:
            async with asyncio.timeout(seconds):
                return await self._reader.read(1) == b""
        except TimeoutError:
            return False

    async def close(self) -> None:
        """Close it."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
