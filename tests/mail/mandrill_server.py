"""A Mandrill on loopback that behaves as it is told, and remembers what it was sent and what it accepted."""

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
    """`behaviour` answers what comes; `running` makes them."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = answering("sent")
        self.url = ""
        self.requests: list[Body] = []
        self.accepted: list[tuple[int, str]] = []  # the e-mail's id and a recipient, in the order of acceptance
        self.overlaps = 0  # how often an e-mail came in while it was being answered already
        self.again: list[int] = []  # e-mails that came in for somebody who was marked as having accepted
        self.arrived = asyncio.Event()
        self._under_way: Counter[int] = Counter()

    def app(self) -> web.Application:
        """What serves it."""
        app = web.Application(client_max_size=2**24)
        app.router.add_post(SEND, self._send)
        app.router.add_route("*", "/elsewhere", self._elsewhere)
        return app

    async def _send(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        email_id = id_of(body)
        self.requests.append(body)
        self._under_way[email_id] += 1
        self.overlaps += self._under_way[email_id] > 1
        self.arrived.set()
        try:
            return await self.behaviour(self, request, body)
        finally:
            self._under_way[email_id] -= 1

    async def _elsewhere(self, _request: web.Request) -> web.Response:
        raise AssertionError("a redirect was followed")

    @property
    def sent_ids(self) -> list[int]:
        """The ids of the e-mails that came in, in their order."""
        return [id_of(body) for body in self.requests]


def id_of(body: Body) -> int:
    """The id that a request's e-mail has in our database."""
    email_id: int = body["message"]["metadata"]["email_id"]
    return email_id


def recipients_of(body: Body) -> list[str]:
    """Whom a request's e-mail is for."""
    return [to["email"] for to in body["message"]["to"]]


def answering(status: str, *, but: dict[str, str] | None = None) -> Behaviour:
    """Every recipient has this status, but for those in `but`."""

    async def answer(server: MandrillServer, _request: web.Request, body: Body) -> web.Response:
        verdicts = []
        for address in recipients_of(body):
            verdict = (but or {}).get(address, status)
            if verdict in ("sent", "queued", "scheduled"):
                server.accepted.append((id_of(body), address))
            reason = "hard-bounce" if verdict == "rejected" else None
            verdicts.append({"email": address.upper(), "status": verdict, "reject_reason": reason, "_id": "a1b2"})
        return web.json_response(verdicts)

    return answer


def failing(code: int, name: str = "GeneralError") -> Behaviour:
    """An error as Mandrill tells it, with the key in it, as a careless one might."""

    async def fail(_server: MandrillServer, _request: web.Request, body: Body) -> web.Response:
        return web.json_response({"status": "error", "code": -1, "name": name, "message": body["key"]}, status=code)

    return fail


def saying(text: str, content_type: str = "application/json", code: int = 200) -> Behaviour:
    """Any answer at all."""

    async def say(_server: MandrillServer, _request: web.Request, _body: Body) -> web.Response:
        return web.Response(text=text, content_type=content_type, status=code)

    return say


async def redirect(_server: MandrillServer, _request: web.Request, _body: Body) -> web.Response:
    """Send the sender elsewhere."""
    return web.Response(status=302, headers={"Location": "/elsewhere"})


async def flood(_server: MandrillServer, request: web.Request, _body: Body) -> web.StreamResponse:
    """An answer without end."""
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b"[" * 65536)
    return response


async def drip(_server: MandrillServer, request: web.Request, _body: Body) -> web.StreamResponse:
    """One byte after another: never late with the next one, and never done."""
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.02)
    return response


async def hang(_server: MandrillServer, _request: web.Request, _body: Body) -> web.Response:
    """Say nothing."""
    await asyncio.Event().wait()
    raise AssertionError


def holding(release: asyncio.Event) -> Behaviour:
    """Say nothing until `release` is set, then accept."""

    async def hold(server: MandrillServer, request: web.Request, body: Body) -> web.StreamResponse:
        await release.wait()
        return await answering("sent")(server, request, body)

    return hold


async def hang_up(_server: MandrillServer, request: web.Request, _body: Body) -> web.Response:
    """End the connection without a word."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def babble(_server: MandrillServer, request: web.Request, _body: Body) -> web.Response:
    """Answer with what is no HTTP."""
    assert request.transport is not None
    request.transport.write(b"220 smtp.example.com ready\r\n")
    request.transport.close()
    return web.Response()


@contextlib.asynccontextmanager
async def running(server: MandrillServer | None = None, port: int = 0) -> AsyncIterator[MandrillServer]:
    """A server, gone at the end; one given that was there before goes on remembering."""
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
