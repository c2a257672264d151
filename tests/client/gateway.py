"""An HTTP gateway between the client and the service that records requests and fails as it is told."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.proxy import Proxy

BYTES_OF_A_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + b"X-Slow: yes\r\n" * 1000


@dataclass(frozen=True)
class Received:
    """A request that the gateway received, and when."""

    action: str
    headers: dict[str, str]
    body: bytes
    at: float


class Gateway:
    """Forwards requests to the service at `service_url`; each of `faults` replaces the forwarding of one request."""

    def __init__(self, service_url: str, http: aiohttp.ClientSession) -> None:
        self.url = ""
        self.received: list[Received] = []
        self.faults: deque[Fault] = deque()
        self._service_url = service_url
        self._http = http

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Respond to a request by the next fault, or by forwarding it."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        action = request.path.rpartition("/")[2]
        self.received.append(Received(action, headers, await request.read(), time.monotonic()))
        if self.faults:
            return await self.faults.popleft()(self, request)
        return await self.forward(request)

    async def forward(self, request: web.Request, **changes: Any) -> web.Response:
        """The service's response to the request, with `changes` to its `headers` or `data`."""
        sent = {name: value for name, value in request.headers.items() if name not in ("Host", "Content-Length")}
        arguments = {"data": await request.read(), "headers": sent} | changes
        async with self._http.post(f"{self._service_url}{request.path}", **arguments) as response:
            kept = ("Content-Type", "X-Request-ID", "Requirement-Outcome", "Retry-After")
            headers = {name: response.headers[name] for name in kept if name in response.headers}
            return web.Response(status=response.status, body=await response.read(), headers=headers)


Fault = Callable[[Gateway, web.Request], Awaitable[web.StreamResponse]]


async def lose_response(gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """Forward the request, and cut the connection in place of the response."""
    await gateway.forward(request)
    return await cut(gateway, request)


async def cut(_gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """Cut the connection without forwarding the request."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def say_nothing(_gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """Keep the connection, and do nothing until the client closes it."""
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(0.01)
    return web.Response()


async def say_little(_gateway: Gateway, request: web.Request) -> web.StreamResponse:
    """Send the head of a response byte by byte, for longer than any test lasts."""
    for byte in BYTES_OF_A_RESPONSE:
        if request.transport is None or request.transport.is_closing():
            break
        request.transport.write(bytes([byte]))
        await asyncio.sleep(0.01)
    return web.Response()


def answer(code: int, body: object = None, **headers: str) -> Fault:
    """Respond with this code, body and headers, without forwarding. Underscores in header names become hyphens."""

    async def fault(_gateway: Gateway, _request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, dict):
            return web.json_response(body, status=code, headers=named)
        return web.Response(status=code, text=str(body), headers=named)

    return fault


def crash(outcome: str, retry_after: str | None = None) -> Fault:
    """Respond with application-crash and this outcome, without forwarding."""
    body = {"status": "application-crash", "message": "It failed.", "data": None, "request_id": "of-the-crash"}
    headers = {} if retry_after is None else {"Retry_After": retry_after}
    return answer(500, body, Requirement_Outcome=outcome, **headers)


def forward_with(**changes: Any) -> Fault:
    """Forward the request with other `headers` or `data`."""

    async def fault(gateway: Gateway, request: web.Request) -> web.StreamResponse:
        return await gateway.forward(request, **changes)

    return fault


def url_through(proxy: Proxy) -> str:
    """The base URL of a service behind a TCP proxy."""
    return f"http://{proxy.url.rpartition('@')[2].rstrip('/')}"


@contextlib.asynccontextmanager
async def gateway_to(service_url: str) -> AsyncIterator[Gateway]:
    """Run a gateway in front of a service."""
    async with aiohttp.ClientSession() as http:
        gateway = Gateway(service_url, http)
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", gateway.handle)
        async with TestServer(app) as server:
            gateway.url = str(server.make_url("")).rstrip("/")
            yield gateway
