"""What aiohttp answers by itself, to what is not well-formed HTTP above all: its own words quote the caller's."""

from http import HTTPStatus

from aiohttp import web, web_server
from aiohttp.web import BaseRequest, RequestHandler, StreamResponse


class BareHttpErrors(RequestHandler):
    """Answers such requests with the HTTP code alone: what cannot be read may hold a token."""

    __slots__ = ()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """The answer to a request that failed outside the app. Raises ConnectionError where one was begun already."""
        super().handle_error(request, status, exc, message)
        text = f"{status}: {HTTPStatus(status).phrase}\n"
        response = web.Response(status=status, text=text, headers={"Server": "requirements-service"})
        response.force_close()
        return response


def use_bare_http_errors() -> None:
    """Have all connections of this process answered so; there is no other way to choose what handles them."""
    web_server.RequestHandler = BareHttpErrors  # type: ignore[attr-defined]
