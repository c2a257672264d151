"""The internals of aiohttp used in `service/api/aiohttp_internals.py`: a failure here means an upgrade changed one."""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import AsyncIterator, Callable
from typing import NoReturn
from unittest.mock import AsyncMock, Mock

import aiohttp
import pytest
from aiohttp import HttpVersion, HttpVersion10, HttpVersion11, web, web_protocol, web_server
from aiohttp.abc import AbstractStreamWriter
from aiohttp.test_utils import TestServer, make_mocked_request

from service.api.aiohttp_internals import (
    BareHttpErrors,
    BufferedResponse,
    CatchAllResource,
    close_connections_after_responses,
    handle_expect,
    use_bare_http_errors,
)

HEADERS = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}
PING = b"GET /ping HTTP/1.1\r\nHost: test\r\n\r\n"


def buffered() -> BufferedResponse:
    """A response as the envelope makes it."""
    return BufferedResponse(body=b'{"a":1}', status=404, headers=HEADERS)


async def ping(_request: web.Request) -> web.StreamResponse:
    """Respond with a `BufferedResponse`."""
    return buffered()


async def plain(_request: web.Request) -> web.StreamResponse:
    """Respond with a response of aiohttp's own."""
    return web.Response(text="plain")


async def crash(_request: web.Request) -> NoReturn:
    """Raise an exception that no middleware handles."""
    raise ZeroDivisionError


def app_with(*routes: web.RouteDef) -> web.Application:
    """An application with these routes."""
    app = web.Application()
    app.add_routes(routes)
    return app


def parameters(function: Callable[..., object]) -> list[str]:
    """The names of a function's parameters, in order."""
    return list(inspect.signature(function).parameters)


class RawConnection:
    """A TCP connection to a test server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)

    async def head(self) -> list[str]:
        """The lines of the next response's head."""
        async with asyncio.timeout(5):
            return (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]

    async def body(self, length: int) -> bytes:
        """The next bytes."""
        async with asyncio.timeout(5):
            return await self._reader.readexactly(length)

    async def rest(self) -> bytes:
        """All bytes until the server closes the connection."""
        async with asyncio.timeout(5):
            return await self._reader.read()


@contextlib.asynccontextmanager
async def connection_to(app: web.Application) -> AsyncIterator[RawConnection]:
    """A raw connection to a running server of `app`."""
    async with TestServer(app) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        try:
            yield RawConnection(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what the functions under test change in aiohttp's modules."""
    monkeypatch.setattr(web_server, "RequestHandler", web_server.RequestHandler)  # type: ignore[attr-defined]
    monkeypatch.setattr(web.StreamResponse, "_keep_alive", web.StreamResponse._keep_alive)  # noqa: SLF001


def test_the_methods_of_a_response_are_those_overridden() -> None:
    """`prepare` and `write_eof` have the signatures that `BufferedResponse` overrides, and `_keep_alive` is None."""
    assert parameters(web.StreamResponse.prepare) == parameters(BufferedResponse.prepare) == ["self", "request"]
    assert parameters(web.Response.write_eof) == parameters(BufferedResponse.write_eof) == ["self", "data"]
    assert inspect.iscoroutinefunction(web.StreamResponse.prepare)
    assert inspect.iscoroutinefunction(web.Response.write_eof)
    assert vars(web.StreamResponse)["_keep_alive"] is None
    assert buffered().keep_alive is None
    assert not buffered().prepared


async def test_a_buffered_response_is_one_write() -> None:
    """The head and the body of a `BufferedResponse` are one call of `write`, and `write_eof` adds nothing."""
    writer = Mock(spec=AbstractStreamWriter, write=AsyncMock(), drain=AsyncMock())
    request, response = make_mocked_request("GET", "/ping", writer=writer), buffered()
    assert await response.prepare(request) is None
    await response.write_eof()
    ((data,), _) = writer.write.await_args
    assert writer.write.await_count == 1
    assert data.startswith(b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json; charset=utf-8\r\n")
    assert data.endswith(b'\r\nContent-Length: 7\r\n\r\n{"a":1}')
    assert response.keep_alive is True


async def test_a_buffered_response_keeps_the_connection() -> None:
    """A server sends a `BufferedResponse` as it is, and answers the next request on the same connection."""
    async with connection_to(app_with(web.get("/ping", ping))) as connection:
        for _ in range(2):
            connection.send(PING)
            status, *fields = await connection.head()
            assert status == "HTTP/1.1 404 Not Found"
            assert [field.partition(":")[0] for field in fields] == [*HEADERS, "Date", "Content-Length"]
            assert await connection.body(7) == b'{"a":1}'


@pytest.mark.parametrize(
    ("method", "version", "closing"),
    [("HEAD", HttpVersion11, False), ("GET", HttpVersion10, False), ("GET", HttpVersion11, True)],
    ids=["HEAD", "HTTP/1.0", "Connection: close"],
)
async def test_aiohttp_writes_every_other_buffered_response(method: str, version: HttpVersion, closing: bool) -> None:
    """For HEAD, HTTP/1.0 and `Connection: close`, aiohttp prepares the response and `write_eof` sends the body."""
    writer = Mock(spec=AbstractStreamWriter, write=AsyncMock(), drain=AsyncMock(), write_eof=AsyncMock())
    request = make_mocked_request(method, "/ping", version=version, closing=closing, writer=writer)
    response = buffered()
    assert await response.prepare(request) is writer
    await response.write_eof()
    writer.write.assert_not_awaited()
    writer.write_headers.assert_called_once()
    writer.write_eof.assert_awaited_once_with(b"" if method == "HEAD" else b'{"a":1}')


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("handler", [ping, plain])
async def test_the_switch_closes_connections_after_responses(
    handler: Callable[[web.Request], "asyncio.Future[web.StreamResponse]"],
) -> None:
    """After the switch, responses close their connections, including one that was created before it."""
    created, switched = asyncio.Event(), asyncio.Event()

    async def respond(request: web.Request) -> web.StreamResponse:
        response = await handler(request)
        created.set()
        await switched.wait()
        return response

    async with connection_to(app_with(web.get("/ping", respond))) as connection:
        connection.send(PING)
        await created.wait()
        close_connections_after_responses()
        switched.set()
        assert "Connection: close" in await connection.head()
        await connection.rest()


def test_the_method_that_builds_error_responses_is_the_one_overridden() -> None:
    """`RequestHandler.handle_error` has the signature that `BareHttpErrors` overrides, and the server finds it."""
    expected = ["self", "request", "status", "exc", "message"]
    assert parameters(web.RequestHandler.handle_error) == parameters(BareHttpErrors.handle_error) == expected
    assert web_server.RequestHandler is web_protocol.RequestHandler  # type: ignore[attr-defined]
    assert "RequestHandler" in web_server.Server.__call__.__code__.co_names


@pytest.mark.usefixtures("restored")
async def test_malformed_http_gets_a_bare_error(caplog: pytest.LogCaptureFixture) -> None:
    """Malformed HTTP is answered with the status alone: nothing of the request is quoted."""
    caplog.set_level(logging.CRITICAL, "aiohttp.server")
    use_bare_http_errors()
    async with connection_to(app_with(web.get("/ping", ping))) as connection:
        connection.send(b"GET /ping HTTP/1.1\r\nHost: test\r\nAuthorization secret-token\r\n\r\n")
        head = await connection.head()
        assert head[0] == "HTTP/1.0 400 Bad Request"  # the parser has not read the version
        assert "Server: requirements-service" in head
        assert await connection.rest() == b"400: Bad Request\n"


def test_the_method_that_gets_every_request_is_the_one_overridden() -> None:
    """`RequestHandler._handle_request` has the signature that `BareHttpErrors` overrides."""
    expected = ["self", "request", "start_time", "request_handler"]
    overridden = (web.RequestHandler._handle_request, BareHttpErrors._handle_request)  # noqa: SLF001
    assert [parameters(method) for method in overridden] == [expected, expected]


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("1.1", "HTTP/1.1 200 OK"),
        ("1.0", "HTTP/1.0 200 OK"),
        ("2.0", "HTTP/1.1 400 Bad Request"),
        ("0.9", "HTTP/1.1 400 Bad Request"),
    ],
)
async def test_only_http_1_is_served(version: str, status: str) -> None:
    """A request of another version than HTTP/1.0 and 1.1 is refused, its handler is not called, nothing is quoted."""
    served = []

    async def serve(request: web.Request) -> web.StreamResponse:
        served.append(request.version)
        return web.Response(text="served")

    use_bare_http_errors()
    async with connection_to(app_with(web.post("/ping", serve))) as connection:
        head = f"POST /ping HTTP/{version}\r\nHost: test\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"
        connection.send(head.encode() + b"{}")
        assert (await connection.head())[0] == status
        assert (await connection.rest() == b"served", len(served)) == ((True, 1) if "200" in status else (False, 0))


def test_a_route_takes_an_expect_handler() -> None:
    """Every way to add a route takes `expect_handler`, and a writer has an `output_size`."""
    for add in (web.UrlDispatcher.add_route, web.Resource.add_route):
        assert "expect_handler" in parameters(add)
    assert AbstractStreamWriter.output_size == 0


@pytest.mark.parametrize(
    ("expectation", "interim"), [("100-continue", True), ("100-Continue", True), ("something-else", False)]
)
async def test_expect_is_answered(expectation: str, interim: bool) -> None:
    """`100-continue` gets an interim response before the final one; other expectations do not, nor a 417."""
    async with connection_to(app_with(web.post("/ping", ping, expect_handler=handle_expect))) as connection:
        connection.send(f"POST /ping HTTP/1.1\r\nHost: test\r\nExpect: {expectation}\r\n\r\n".encode())
        if interim:
            assert await connection.head() == ["HTTP/1.1 100 Continue"]
        assert (await connection.head())[0] == "HTTP/1.1 404 Not Found"


@pytest.mark.usefixtures("restored")
async def test_an_error_after_100_continue_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    """The interim response does not count as a started response: a crash afterwards is still answered with 500."""
    caplog.set_level(logging.CRITICAL, "aiohttp.server")
    use_bare_http_errors()
    async with connection_to(app_with(web.post("/crash", crash, expect_handler=handle_expect))) as connection:
        connection.send(b"POST /crash HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\n\r\n")
        assert await connection.head() == ["HTTP/1.1 100 Continue"]
        assert (await connection.head())[0] == "HTTP/1.1 500 Internal Server Error"


def test_a_resource_is_matched_by_the_method_overridden() -> None:
    """`PlainResource._match` takes a path, and gives a mapping for a match and None otherwise."""
    assert parameters(web.PlainResource._match) == parameters(CatchAllResource._match) == ["self", "path"]  # noqa: SLF001
    assert web.PlainResource("/")._match("/") == {}  # noqa: SLF001
    assert web.PlainResource("/")._match("/other") is None  # noqa: SLF001


@pytest.mark.parametrize("last", [True, False], ids=["registered last", "registered first"])
async def test_the_catch_all_resource_is_tried_last(last: bool) -> None:
    """It gets every path and method that no other resource takes, and only those."""
    app = web.Application()
    if not last:
        app.router.register_resource(CatchAllResource(ping))
    app.router.add_get("/a/known", plain)
    if last:
        app.router.register_resource(CatchAllResource(ping))
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        for method, path, expected in [
            ("GET", "/a/known", 200),
            ("POST", "/a/known", 404),
            ("PROPFIND", "/a/known", 404),
            ("GET", "/", 404),
            ("GET", "/a", 404),
            ("GET", "/a/known/deeper/%2F%00", 404),
        ]:
            async with http.request(method, server.make_url(path)) as response:
                assert (method, path, response.status) == (method, path, expected)


async def test_the_catch_all_resource_handles_expect() -> None:
    """A request for an unknown path has its expectation handled as on any other route."""
    app = web.Application()
    app.router.register_resource(CatchAllResource(ping))
    async with connection_to(app) as connection:
        connection.send(b"POST /unknown HTTP/1.1\r\nHost: test\r\nExpect: something-else\r\n\r\n")
        assert (await connection.head())[0] == "HTTP/1.1 404 Not Found"
