"""A TCP proxy before PostgreSQL that fails as networks do: cut, reset, slow, silent, or losing what a server says."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from urllib.parse import parse_qs, urlsplit

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

CHUNK_BYTES = 65_536

# What makes closing a connection a reset: nothing lingers, not even for no time.
_NO_LINGER = struct.pack("ii", 1, 0)


class _Link:
    """One client's connection, and that to the server made for it."""

    def __init__(self, client: Streams, server: Streams) -> None:
        self.client_reader, self.client = client
        self.server_reader, self.server = server
        self.passes: int | None = None  # how many bytes of the server's still pass; None: all

    def reset(self) -> None:
        """End it as a machine that has forgotten it does."""
        for writer in (self.client, self.server):
            sock = writer.get_extra_info("socket")
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            writer.transport.abort()


class Proxy:
    """Passes bytes between its clients and one PostgreSQL, until it is told otherwise; `proxied` makes them.

    `delay_seconds` is what each chunk takes on its way, either way. While `closed`, whoever connects is hung up on.
    `lost` counts the replies that were lost.
    """

    def __init__(self, database_url: str) -> None:
        self._target = urlsplit(database_url)
        self.delay_seconds = 0.0
        self.closed = False
        self.lost = 0
        self._marker, self._losses, self._passing, self._close_then = b"", 0, 0, False
        self._open = asyncio.Event()
        self._open.set()
        self._links: dict[asyncio.Task[None], _Link | None] = {}

    @property
    def url(self) -> str:
        """The address of the database by way of this proxy."""
        user, _, _ = self._target.netloc.rpartition("@")
        port = self._server.sockets[0].getsockname()[1]
        return self._target._replace(netloc=f"{user or 'postgres'}@127.0.0.1:{port}", query="").geturl()

    async def listen(self) -> None:
        """Start to accept connections."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def cut(self) -> None:
        """End every connection and accept no more, for good."""
        self._server.close()
        await self.hang_up()

    async def hang_up(self) -> None:
        """End every connection there is."""
        tasks = list(self._links)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def reset(self) -> None:
        """Reset every connection there is."""
        for link in filter(None, list(self._links.values())):
            link.reset()

    @contextlib.contextmanager
    def black_hole(self) -> Iterator[None]:
        """Pass nothing meanwhile, and hang up on nobody; what was sent then arrives late."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def lose_replies(self, marker: str = "", count: int = 0, *, passing: int = 0, close: bool = False) -> None:
        """Cut the next `count` connections that carry `marker` once `passing` bytes of the reply have passed.

        Without a marker it is each of the present connections. With `close`, every connection is cut then, and none
        let through until `closed` is false again.
        """
        self._marker, self._losses, self._passing, self._close_then = marker.encode(), count, passing, close
        if not marker:
            for link in filter(None, self._links.values()):
                link.passes = passing

    def lose_nothing(self) -> None:
        """Lose no reply from now on."""
        self._losses = 0

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._links[task] = None
        task.add_done_callback(self._links.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        with contextlib.ExitStack() as ending:
            ending.callback(writer.transport.abort)
            if self.closed:
                return
            await self._open.wait()
            try:
                server = await self._reach()
            except OSError:  # the server is away: so is, to the client, what is behind us
                return
            ending.callback(server[1].transport.abort)
            self._links[task] = link = _Link((reader, writer), server)
            await _first(self._forward(link), self._return(link))

    async def _reach(self) -> Streams:
        query = parse_qs(self._target.query)
        host = query.get("host", [self._target.hostname or "127.0.0.1"])[0]
        port = int(query.get("port", [str(self._target.port or 5432)])[0])
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _forward(self, link: _Link) -> None:
        def watch(content: bytes) -> bytes:
            if self._losses and self._marker in content:
                self._losses -= 1
                link.passes = self._passing
            return content

        await self._copy(link.client_reader, link.server, watch)

    async def _return(self, link: _Link) -> None:
        def curtail(content: bytes) -> bytes | None:
            if link.passes is None:
                return content
            passed, link.passes = content[: link.passes], link.passes - len(content)
            if link.passes >= 0:
                return passed
            # What has answered has also committed: a statement of its own is acknowledged after its commit.
            self.lost += 1
            link.client.write(passed)
            return None

        await self._copy(link.server_reader, link.client, curtail)
        if link.passes is not None and link.passes < 0 and self._close_then:
            self.closed = True
            for task in set(self._links) - {asyncio.current_task()}:
                task.cancel()

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, judge: Callable[[bytes], bytes | None]
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while content := await reader.read(CHUNK_BYTES):
                judged = judge(content)
                if judged is None:
                    return
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                await self._open.wait()
                writer.write(judged)
                await writer.drain()


async def _first(*ways: Awaitable[None]) -> None:
    """Return when one way has ended, and end the others."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def proxied(database_url: str) -> AsyncIterator[Proxy]:
    """A proxy before that database, gone at the end."""
    proxy = Proxy(database_url)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.cut()
