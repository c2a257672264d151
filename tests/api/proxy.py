"""A TCP proxy before PostgreSQL that can be cut, as a network or a server fails."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from urllib.parse import parse_qs, urlsplit

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    """Passes bytes between its clients and one PostgreSQL until it is cut; `proxied` makes them."""

    def __init__(self, database_url: str) -> None:
        self._target = urlsplit(database_url)
        self._pipes: set[asyncio.Task[None]] = set()
        self._deaf: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Start to accept connections."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    @property
    def url(self) -> str:
        """The address of the database by way of this proxy."""
        user, _, _ = self._target.netloc.rpartition("@")
        port = self._server.sockets[0].getsockname()[1]
        return self._target._replace(netloc=f"{user}@127.0.0.1:{port}", query="").geturl()

    async def cut(self) -> None:
        """End every connection and refuse new ones."""
        self._server.close()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    def lose_replies(self) -> None:
        """End each of the present connections as soon as the server says something on it, unheard."""
        self._deaf |= self._pipes

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pipe = asyncio.create_task(self._pass(reader, writer))
        self._pipes.add(pipe)
        pipe.add_done_callback(self._pipes.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pipe = asyncio.current_task()
        server_reader, server_writer = await self._reach()
        replies = _copy(server_reader, writer, lost=lambda: pipe in self._deaf)
        try:
            await asyncio.gather(_copy(reader, server_writer), replies)
        finally:
            writer.transport.abort()
            server_writer.transport.abort()

    async def _reach(self) -> Streams:
        query = parse_qs(self._target.query)
        host = query.get("host", [self._target.hostname or "127.0.0.1"])[0]
        port = int(query.get("port", [str(self._target.port or 5432)])[0])
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: Callable[[], bool] = lambda: False
) -> None:
    with contextlib.suppress(ConnectionError):
        while content := await reader.read(65536):
            if lost():
                writer.transport.abort()
                return
            writer.write(content)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def proxied(database_url: str) -> AsyncIterator[Proxy]:
    """A proxy before that database, gone at the end."""
    proxy = Proxy(database_url)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.cut()
