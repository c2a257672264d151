"""A TCP proxy in front of PostgreSQL that simulates network failures: cuts, resets, delays, silence, lost replies."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from urllib.parse import parse_qs, urlsplit

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

CHUNK_BYTES = 65_536

# SO_LINGER on with a timeout of 0: closing the socket sends a reset.
_NO_LINGER = struct.pack("ii", 1, 0)


class _Pair:
    """A client connection and the server connection opened for it."""

    def __init__(self, client: Streams, server: Streams) -> None:
        self.client_reader, self.client = client
        self.server_reader, self.server = server
        self.passes: int | None = None  # bytes from the server that are still forwarded; None: all

    def reset(self) -> None:
        """Reset both connections."""
        for writer in (self.client, self.server):
            sock = writer.get_extra_info("socket")
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            writer.transport.abort()


class Proxy:
    """Forwards bytes between clients and one PostgreSQL server. `proxied` starts it.

    `delay_seconds` delays each chunk, in both directions. While `closed` is true, new connections are closed at once.
    `lost` counts the lost replies.
    """

    def __init__(self, database_url: str) -> None:
        self._target = urlsplit(database_url)
        self.delay_seconds = 0.0
        self.closed = False
        self.lost = 0
        self._marker, self._losses, self._passing, self._close_then = b"", 0, 0, False
        self._open = asyncio.Event()
        self._open.set()
        self._pairs: dict[asyncio.Task[None], _Pair | None] = {}

    @property
    def url(self) -> str:
        """The URL of the database through this proxy."""
        user, _, _ = self._target.netloc.rpartition("@")
        port = self._server.sockets[0].getsockname()[1]
        return self._target._replace(netloc=f"{user or 'postgres'}@127.0.0.1:{port}", query="").geturl()

    @property
    def connections(self) -> int:
        """The number of open connections of clients."""
        return len(self._pairs)

    def lead_to(self, database_url: str) -> None:
        """Forward new connections to another server."""
        self._target = urlsplit(database_url)

    async def listen(self) -> None:
        """Start accepting connections."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def cut(self) -> None:
        """Close every connection and stop accepting new ones."""
        self._server.close()
        await self.hang_up()

    async def hang_up(self) -> None:
        """Close every open connection."""
        tasks = list(self._pairs)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def reset(self) -> None:
        """Reset every open connection."""
        for pair in filter(None, list(self._pairs.values())):
            pair.reset()

    @contextlib.contextmanager
    def black_hole(self) -> Iterator[None]:
        """Forward nothing during the block, but keep the connections. Bytes sent during the block arrive after it."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def lose_replies(self, marker: str = "", count: int = 0, *, passing: int = 0, close: bool = False) -> None:
        """Cut the next `count` connections whose client sends `marker`, after `passing` bytes of the reply.

        Without a marker, cut every open connection this way. With `close`, all connections are then closed, and new
        ones are refused until `closed` is false again.
        """
        self._marker, self._losses, self._passing, self._close_then = marker.encode(), count, passing, close
        if not marker:
            for pair in filter(None, self._pairs.values()):
                pair.passes = passing

    def lose_nothing(self) -> None:
        """Stop losing replies."""
        self._losses = 0

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._pairs[task] = None
        task.add_done_callback(self._pairs.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        with contextlib.ExitStack() as ending:
            ending.callback(writer.transport.abort)
            if self.closed:
                return
            await self._open.wait()
            try:
                server = await self._connect()
            except OSError:  # the server is down, so the client's connection is closed
                return
            ending.callback(server[1].transport.abort)
            self._pairs[task] = pair = _Pair((reader, writer), server)
            await _run_until_first(self._forward(pair), self._return(pair))

    async def _connect(self) -> Streams:
        query = parse_qs(self._target.query)
        host = query.get("host", [self._target.hostname or "127.0.0.1"])[0]
        port = int(query.get("port", [str(self._target.port or 5432)])[0])
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _forward(self, pair: _Pair) -> None:
        def watch(content: bytes) -> bytes:
            if self._losses and self._marker in content:
                self._losses -= 1
                pair.passes = self._passing
            return content

        await self._copy(pair.client_reader, pair.server, watch)

    async def _return(self, pair: _Pair) -> None:
        def truncate(content: bytes) -> bytes | None:
            if pair.passes is None:
                return content
            passed, pair.passes = content[: pair.passes], pair.passes - len(content)
            if pair.passes >= 0:
                return passed
            # The server replies to a statement outside a transaction after the commit, so it is committed.
            self.lost += 1
            pair.client.write(passed)
            return None

        await self._copy(pair.server_reader, pair.client, truncate)
        if pair.passes is not None and pair.passes < 0 and self._close_then:
            self.closed = True
            for task in set(self._pairs) - {asyncio.current_task()}:
                task.cancel()

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, transform: Callable[[bytes], bytes | None]
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while content := await reader.read(CHUNK_BYTES):
                forwarded = transform(content)
                if forwarded is None:
                    return
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                await self._open.wait()
                writer.write(forwarded)
                await writer.drain()


async def _run_until_first(*directions: Awaitable[None]) -> None:
    """Run until one direction has ended, then cancel the other."""
    tasks = [asyncio.ensure_future(direction) for direction in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def proxied(database_url: str) -> AsyncIterator[Proxy]:
    """Run a proxy in front of the database, and stop it at the end."""
    proxy = Proxy(database_url)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.cut()
