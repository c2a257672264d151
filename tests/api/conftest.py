"""What nearly every test through HTTP needs: a caller, something to refer to, and ways to disturb the database."""

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.conftest import AppClient, Client
from tests.factories import AppRecord, Records
from tests.proxy import Proxy, proxied


@pytest.fixture
def aiohttp_client(aiohttp_client: Callable[[TestServer], Awaitable[Client]]) -> AppClient:
    """A client of an app that is served as a worker serves it: what comes in a content coding is not touched."""

    async def serve(app: web.Application) -> Client:
        server = TestServer(app)
        await server.start_server(auto_decompress=False, access_log=None)
        return await aiohttp_client(server)

    return serve


@pytest.fixture
async def application(records: Records) -> AppRecord:
    """An application with a token."""
    return await records.application()


@pytest.fixture
async def user_id(records: Records) -> int:
    """A user to refer to."""
    return (await records.user())[0]


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A second connection to the test's own database."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    """A way to the test's own database that can be cut."""
    async with proxied(database_url) as proxy:
        yield proxy
