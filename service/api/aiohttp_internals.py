"""Every internal of aiohttp that this service relies on, with the version it was written against.

Public API does not cover these cases. `tests/unit/test_aiohttp_internals.py` fails when an upgrade changes one of them.
"""

import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import lru_cache
from http import HTTPStatus
from wsgiref.handlers import format_date_time

from aiohttp import HttpVersion10, HttpVersion11, web, web_server
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web import BaseRequest, RequestHandler, StreamResponse

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_AnyHandler = Callable[[BaseRequest], Awaitable[StreamResponse]]

_SERVED_VERSIONS = (HttpVersion11, HttpVersion10)


class BufferedResponse(web.Response):
    """A response with a body of bytes, written with its head in one write.

    aiohttp's general code for all kinds of responses takes twice as long. The single write is used for an HTTP/1.1
    request other than HEAD whose connection stays open; every other request is left to aiohttp. The single write does
    not send cookies, does not compress, and does not call `on_response_prepare`.

    Relies on (aiohttp 3.14.5): `RequestHandler` calls `prepare` and then `write_eof`; `_keep_alive` decides
    whether the connection stays open; `request.writer.write` sends bytes as they are.
    """

    _written = False

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Write the whole response in one write, or let aiohttp write the head."""
        single_write = (
            self.keep_alive is None
            and request.keep_alive
            and request.version == HttpVersion11
            and request.method != "HEAD"
        )
        if not single_write or self.prepared:
            return await super().prepare(request)
        assert isinstance(self.body, bytes)  # noqa: S101 - as constructed
        self._written, self._keep_alive = True, True
        await request.writer.write(_head(self.status, self.headers, len(self.body)) + self.body)
        await request.writer.drain()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Let aiohttp write the body, unless `prepare` has written it."""
        if not self._written:
            await super().write_eof(data)


def _head(status: int, headers: Mapping[str, str], length: int) -> bytes:
    lines = [
        _status_line(status),
        *[f"{name}: {value}" for name, value in headers.items()],
        f"Date: {_date(int(time.time()))}\r\nContent-Length: {length}\r\n\r\n",
    ]
    return "\r\n".join(lines).encode("ascii")


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return format_date_time(second)


def close_connections_after_responses() -> None:
    """Make every response of this process send `Connection: close`, including those in progress.

    Relies on (aiohttp 3.14.5): a response without its own `_keep_alive` reads the class attribute when it is
    written. aiohttp has no setting for all responses of a running server.
    """
    web.StreamResponse._keep_alive = False  # noqa: SLF001 - the only place that all responses read


class BareHttpErrors(RequestHandler):
    """A connection handler whose error responses contain the HTTP status only, and which serves HTTP/1.0 and 1.1 only.

    aiohttp answers malformed HTTP before any middleware runs, and its error text quotes the request, which may contain
    a token. Its parser accepts `HTTP/2.0` and `HTTP/0.9` in a request line and reads the rest as HTTP/1.1.

    Relies on (aiohttp 3.14.5): `RequestHandler.handle_error` builds the responses to malformed HTTP, and `start` passes
    every request with its handler to `_handle_request`. The version of a response is that of its request, which is
    cached when it is read first.
    """

    __slots__ = ()

    def _handle_request(
        self, request: BaseRequest, start_time: float | None, request_handler: _AnyHandler
    ) -> Coroutine[None, None, tuple[StreamResponse, bool]]:
        if request._version not in _SERVED_VERSIONS:  # noqa: SLF001 - reading `version` would fix that of the response
            request._version = HttpVersion11  # noqa: SLF001 - as above
            request_handler = _refuse_version
        return super()._handle_request(request, start_time, request_handler)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """Return the error response. Raises ConnectionError if part of a response was already sent."""
        super().handle_error(request, status, exc, message)
        return _bare_response(status)


async def _refuse_version(_request: BaseRequest) -> StreamResponse:
    return _bare_response(HTTPStatus.BAD_REQUEST)  # as for the versions that the parser does not know


def _bare_response(status: int) -> StreamResponse:
    text = f"{status}: {HTTPStatus(status).phrase}\n"
    response = web.Response(status=status, text=text, headers={"Server": "requirements-service"})
    response.force_close()
    return response


def use_bare_http_errors() -> None:
    """Use `BareHttpErrors` for every connection accepted by this process from now on.

    Relies on (aiohttp 3.14.5): `web.Server` looks up `RequestHandler` in its own module. It has no parameter for it.
    """
    web_server.RequestHandler = BareHttpErrors  # type: ignore[attr-defined]  # imported there, not exported


async def handle_expect(request: web.Request) -> None:
    """Send `100 Continue` if the request expects it; ignore any other expectation (RFC 9110, section 10.1.1).

    A body that is too long is not invited: the final response refuses it at once.

    The `expect_handler` of every route: aiohttp's default responds 417, without middlewares, to other expectations.

    Relies on (aiohttp 3.14.5): the connection handler considers a response started when
    `request.writer.output_size` is not 0.
    """
    fits = (request.content_length or 0) <= request.client_max_size
    if request.headers["Expect"].lower() == "100-continue" and request.version >= HttpVersion11 and fits:
        # The caller may have disconnected.
        with contextlib.suppress(ConnectionError):
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # The interim response is not part of the final one, so an error can still be sent in full.
        request.writer.output_size = 0


class CatchAllResource(web.PlainResource):
    """A resource that passes every path and method to one handler. aiohttp tries it last because its path is `/`.

    Without it, aiohttp's own 404 and 405 responses handle `Expect` before any middleware runs.

    Relies on (aiohttp 3.14.5): the router asks `_match`, and tries resources with longer paths first.
    """

    def __init__(self, handler: Handler) -> None:
        super().__init__("/")
        self.add_route("*", handler, expect_handler=handle_expect)

    def _match(self, path: str) -> dict[str, str]:  # noqa: ARG002 - every path matches
        return {}
