"""The error boundary of the internal listener shows a message and the request id, never the cause."""

import re

import pytest
from aiohttp import web

from service.admin.error_boundary import admin_error_boundary
from service.database.errors import ConnectionLost, NotConnected
from tests.conftest import AppClient

SECRET = "postgresql://someone:hidden@database/name"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (RuntimeError(SECRET), 500, "Something went wrong. The log entries with this id show the cause."),
        (KeyError(SECRET), 500, "Something went wrong. The log entries with this id show the cause."),
        (NotConnected(SECRET), 503, "The database does not answer. Try again in a moment."),
        (ConnectionLost(SECRET), 503, "The database does not answer. Try again in a moment."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_an_error_is_answered_with_a_message(
    aiohttp_client: AppClient, error: Exception, code: int, message: str
) -> None:
    """For any exception, the response is a message with the request id and nothing else."""

    async def failing_handler(_request: web.Request) -> web.Response:
        raise error

    app = web.Application(middlewares=[admin_error_boundary])
    app.router.add_get("/", failing_handler)
    response = await (await aiohttp_client(app)).get("/")
    assert response.status == code
    assert response.content_type == "text/plain"
    assert re.fullmatch(rf"{re.escape(message)} \([0-9a-f]{{32}}\)\n", await response.text())


async def test_http_exceptions_pass_through(aiohttp_client: AppClient) -> None:
    """A 404 and a redirect pass through unchanged."""

    async def redirect(_request: web.Request) -> web.Response:
        raise web.HTTPSeeOther("/elsewhere")

    app = web.Application(middlewares=[admin_error_boundary])
    app.router.add_get("/", redirect)
    client = await aiohttp_client(app)
    assert [(await client.get(path, allow_redirects=False)).status for path in ("/", "/none")] == [303, 404]
