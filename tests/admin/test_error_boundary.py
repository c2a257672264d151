"""What the internal listener shows of a fault: a sentence and an id, never the cause."""

import re

import pytest
from aiohttp import web

from service.admin.error_boundary import admin_error_boundary
from service.database.errors import ConnectionLost, NotConnected
from tests.conftest import AppClient

SECRET = "postgresql://someone:hidden@database/name"


@pytest.mark.parametrize(
    ("fault", "code", "sentence"),
    [
        (RuntimeError(SECRET), 500, "Something went wrong. The log entries with this id show the cause."),
        (KeyError(SECRET), 500, "Something went wrong. The log entries with this id show the cause."),
        (NotConnected(SECRET), 503, "The database does not answer. Try again in a moment."),
        (ConnectionLost(SECRET), 503, "The database does not answer. Try again in a moment."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_a_fault_is_a_sentence(aiohttp_client: AppClient, fault: Exception, code: int, sentence: str) -> None:
    """Whatever a handler raises, the page tells what to do and the request's id, and nothing else."""

    async def misbehave(_request: web.Request) -> web.Response:
        raise fault

    app = web.Application(middlewares=[admin_error_boundary])
    app.router.add_get("/", misbehave)
    response = await (await aiohttp_client(app)).get("/")
    assert response.status == code
    assert response.content_type == "text/plain"
    assert re.fullmatch(rf"{re.escape(sentence)} \([0-9a-f]{{32}}\)\n", await response.text())


async def test_answers_meant_as_such_pass(aiohttp_client: AppClient) -> None:
    """A missing page and a redirect are no faults."""

    async def leave(_request: web.Request) -> web.Response:
        raise web.HTTPSeeOther("/elsewhere")

    app = web.Application(middlewares=[admin_error_boundary])
    app.router.add_get("/", leave)
    client = await aiohttp_client(app)
    assert [(await client.get(path, allow_redirects=False)).status for path in ("/", "/none")] == [303, 404]
