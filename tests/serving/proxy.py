"""Between the service and PostgreSQL: passes everything on, but can lose the reply to what carries a marker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit


class Proxy:
    """Listens on a TCP port for one PostgreSQL behind a unix socket; `proxied` makes them."""

    def __init__(self, database_url: str) -> None:
        target = urlsplit(database_url)
        (folder,) = parse_qs(target.query)["host"]
        self._socket = f"{folder}/.s.PGSQL.5432"
        self._target = target
        self._marker = b""
        self._losses = 0
        self._close_then = False
        self.lost = 0
        self.closed = False
        self._tasks: set[asyncio.Task[None]] = set()

    def lose_replies(self, marker: str, count: int, *, close: bool = False) -> None:
        """Cut the next `count` connections between the statement with `marker` in it and its reply.

        With `close`, every connection is cut then, and none let through until `closed` is false again.
        """
        self._marker, self._losses, self._close_then = marker.encode(), count, close

    @property
    def url(self) -> str:
        """The address of the database by way of this proxy."""
        port = self.server.sockets[0].getsockname()[1]
        return f"postgresql://postgres@127.0.0.1:{port}{self._target.path}"

    async def listen(self) -> None:
        """Start to accept connections."""
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def close(self) -> None:
        """End every connection and accept no more."""
        self.server.close()
        self._cut_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _cut_all(self) -> None:
        self.closed = True
        for task in self._tasks:
            task.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.closed:
            writer.transport.abort()
            return
        server_reader, server_writer = await asyncio.open_unix_connection(self._socket)
        losing = asyncio.Event()
        passing = (
            asyncio.create_task(self._forward(reader, server_writer, losing)),
            asyncio.create_task(self._return(server_reader, writer, losing)),
        )
        try:
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in passing:
                task.cancel()
            await asyncio.gather(*passing, return_exceptions=True)
            writer.transport.abort()
            server_writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, losing: asyncio.Event) -> None:
        while content := await reader.read(65536):
            if self._losses and self._marker in content:
                self._losses -= 1
                losing.set()
            server.write(content)
            await server.drain()

    async def _return(self, server: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event) -> None:
        while content := await server.read(65536):
            if losing.is_set():
                # What has answered has also committed: a statement of its own is acknowledged after its commit.
                self.lost += 1
                if self._close_then:
                    self._cut_all()
                return
            writer.write(content)
            await writer.drain()


@contextlib.asynccontextmanager
async def proxied(database_url: str) -> AsyncIterator[Proxy]:
    """A proxy before that database, gone at the end."""
    proxy = Proxy(database_url)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.close()
