"""A small HTTP client over plain sockets, that tells a request never sent from one that got no answer."""

import asyncio
import contextlib

from tests.tools.ledger.outcomes import Answer


class NotSentError(Exception):
    """There was no connection to send on."""


class NoAnswerError(Exception):
    """The request, or a part of it, was sent, and the connection ended without an answer."""


class Wire:
    """A connection to one server, opened when it is needed and kept for as long as the server wants."""

    def __init__(self, host: str, port: int, *, keep: bool) -> None:
        """With `keep`, the connection serves request after request, else a single one."""
        self._address = (host, port)
        self._keep = keep
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, message: bytes, seconds: float) -> Answer:
        """The answer to a request.

        Raises `NotSentError`, `NoAnswerError`, or TimeoutError when it takes longer; the connection is closed then.
        """
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await self.connected()
                return await self._exchange(reader, writer, message)
        except BaseException:
            self.close()
            raise

    async def connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The open connection's streams. Raises `NotSentError`."""
        if self._streams is not None and not (self._streams[0].at_eof() or self._streams[1].is_closing()):
            return self._streams
        self.close()
        try:
            self._streams = await asyncio.open_connection(*self._address)
        except OSError as error:
            raise NotSentError(str(error)) from error
        return self._streams

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes) -> Answer:
        try:
            writer.write(message)
            answer = await read_answer(reader)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise NoAnswerError(str(error)) from error
        if not self._keep or answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def close(self) -> None:
        """End the connection."""
        if self._streams is not None:
            with contextlib.suppress(RuntimeError):  # the loop may be at its end
                self._streams[1].close()
            self._streams = None


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """The next answer. Raises OSError or asyncio.IncompleteReadError when the connection ends before it does."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(first.split()[1]), headers, body)
