"""A small HTTP client that distinguishes a request never sent from one without an answer."""

import asyncio
import contextlib

from tests.tools.ledger.outcomes import Answer


class NotSentError(Exception):
    """No connection could be opened."""


class NoAnswerError(Exception):
    """All or part of the request was sent, and the connection ended without an answer."""


class HttpClient:
    """A client with one connection, opened when needed and kept while the server allows it."""

    def __init__(self, host: str, port: int, *, keep_alive: bool) -> None:
        """With `keep_alive`, reuse the connection, else open one for each request."""
        self._address = (host, port)
        self._keep_alive = keep_alive
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, message: bytes, seconds: float) -> Answer:
        """Send a request and return the answer.

        Raises `NotSentError`, `NoAnswerError` or TimeoutError; the connection is then closed.
        """
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await self.connect()
                return await self._exchange(reader, writer, message)
        except BaseException:
            self.close()
            raise

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return the streams of an open connection. Raises `NotSentError`."""
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
        if not self._keep_alive or answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            with contextlib.suppress(RuntimeError):  # the event loop may be closed
                self._streams[1].close()
            self._streams = None


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read the next answer. Raises OSError or asyncio.IncompleteReadError if the connection ends first."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(first.split()[1]), headers, body)
