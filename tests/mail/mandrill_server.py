"""A fake Mandrill server on loopback with configurable behaviour. It records what it receives and accepts."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

Body = dict[str, Any]
Behaviour = Callable[["MandrillServer", web.Request, Body], Awaitable[web.StreamResponse]]

SEND = "/api/1.0/messages/send"


class MandrillServer:
    """`behaviour` responds to each request. `running` starts a server."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = answering("sent")
        self.url = ""
        self.requests: list[Body] = []
        self.accepted: list[tuple[int, str]] = []  # e-mail id and recipient, in the order of acceptance
        self.overlaps = 0  # requests for an e-mail while another request for it was in progress
        self.again: list[int] = []  # e-mails received for a recipient that the outbox already had as accepted
        self.arrived = asyncio.Event()
        self._in_progress: Counter[int] = Counter()

    def app(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(client_max_size=2**24)
        app.router.add_post(SEND, self._send)
        app.router.add_route("*", "/elsewhere", self._elsewhere)
        return app

    async def _send(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        email_id = id_of(body)
        self.requests.append(body)
        self._in_progress[email_id] += 1
        self.overlaps += self._in_progress[email_id] > 1
        self.arrived.set()
        try:
            return await self.behaviour(self, request, body)
        finally:
            self._in_progress[email_id] -= 1

    async def _elsewhere(self, _request: web.Request) -> web.Response:
        raise AssertionError("a redirect was followed")

    @property
    def sent_ids(self) -> list[int]:
        """The ids of the received e-mails, in order."""
        return [id_of(body) for body in self.requests]


def id_of(body: Body) -> int:
    """The id of the e-mail in the outbox."""
    email_id: int = body["message"]["metadata"]["email_id"]
    return email_id


def recipients_of(body: Body) -> list[str]:
    """The recipients of the e-mail."""
    return [to["email"] for to in body["message"]["to"]]


def answering(status: str, *, but: dict[str, str] | None = None) -> Behaviour:
    """Respond with `status` for every recipient; `but` overrides it by address."""

    async def answer(server: MandrillServer, _request: web.Request, body: Body) -> web.Response:
        results = []
        for address in recipients_of(body):
            result = (but or {}).get(address, status)
            if result in ("sent", "queued", "scheduled"):
                server.accepted.append((id_of(body), address))
            reason = "hard-bounce" if result == "rejected" else None
            results.append({"email": address.upper(), "status": result, "reject_reason": reason, "_id": "a1b2"})
        return web.json_response(results)

    return answer


def failing(code: int, name: str = "GeneralError") -> Behaviour:
    """Respond with an error in Mandrill's format, whose message contains the API key."""

    async def fail(_server: MandrillServer, _request: web.Request, body: Body) -> web.Response:
        return web.json_response({"status": "error", "code": -1, "name": name, "message": body["key"]}, status=code)

    return fail


def saying(text: str, content_type: str = "application/json", code: int = 200) -> Behaviour:
    """Respond with this text, content type and status code."""

    async def say(_server: MandrillServer, _request: web.Request, _body: Body) -> web.Response:
        return web.Response(text=text, content_type=content_type, status=code)

    return say


async def redirect(_server: MandrillServer, _request: web.Request, _body: Body) -> web.Response:
    """Respond with a redirect."""
    return web.Response(status=302, headers={"Location": "/elsewhere"})


async def flood(_server: MandrillServer, request: web.Request, _body: Body) -> web.StreamResponse:
    """Respond with an endless body."""
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b"[" * 65536)
    return response


async def drip(_server: MandrillServer, request: web.Request, _body: Body) -> web.StreamResponse:
    """Respond with an endless body, one byte at a time."""
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.02)
    return response


async def hang(_server: MandrillServer, _request: web.Request, _body: Body) -> web.Response:
    """Never respond."""
    await asyncio.Event().wait()
    raise AssertionError


def holding(release: asyncio.Event) -> Behaviour:
    """Respond once `release` is set, and accept."""

    async def hold(server: MandrillServer, request: web.Request, body: Body) -> web.StreamResponse:
        await release.wait()
        return await answering("sent")(server, request, body)

    return hold


async def hang_up(_server: MandrillServer, request: web.Request, _body: Body) -> web.Response:
    """Close the connection without a response."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def babble(_server: MandrillServer, request: web.Request, _body: Body) -> web.Response:
    """Respond with something that is not HTTP."""
    assert request.transport is not None
    request.transport.write(b"220 smtp.example.com ready\r\n")
    request.transport.close()
    return web.Response()


@contextlib.asynccontextmanager
async def running(server: MandrillServer | None = None, port: int = 0) -> AsyncIterator[MandrillServer]:
    """Run `server`, or a new one, and stop it at the end. A server that ran before keeps its records."""
    server = server or MandrillServer()
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    server.url = f"http://127.0.0.1:{site.port}/api/1.0"
    try:
        yield server
    finally:
        await runner.cleanup()
