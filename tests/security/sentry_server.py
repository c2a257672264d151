"""A Sentry server on loopback that stores the envelopes it receives."""

import contextlib
import gzip
from collections.abc import AsyncIterator

from aiohttp import web


class SentryServer:
    """`running` creates it; `envelopes` are the received envelopes, as text."""

    def __init__(self) -> None:
        self.address = ""
        self.envelopes: list[str] = []

    async def take(self, request: web.Request) -> web.Response:
        """Store an envelope."""
        body = await request.read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        self.envelopes.append(body.decode())
        return web.json_response({"id": "0"})


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[SentryServer]:
    """Run a server; stop it at the end."""
    server = SentryServer()
    app = web.Application(client_max_size=2**24)
    app.router.add_post("/api/1/envelope/", server.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.address = f"127.0.0.1:{site.port}"
    try:
        yield server
    finally:
        await runner.cleanup()
