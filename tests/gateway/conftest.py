"""One service with two workers behind one nginx, shared by all gateway tests."""

from collections.abc import AsyncIterator

import aiohttp
import asyncpg
import pytest

from tests.databases import connected, new_database
from tests.factories import Records
from tests.gateway.nginx import Gateway, gateway
from tests.serving.process import Serve, serving

SETTINGS = {
    "WEB_CONCURRENCY": "2",
    "REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false",
    "REQUIREMENTS__SERVER__SHUTDOWN_SECONDS": "2",
}


@pytest.fixture(scope="package")
async def gateway_database(server_url: str, template: str) -> AsyncIterator[str]:
    """The URL of a migrated database for these tests."""
    async with new_database(server_url, template) as url:
        yield url


@pytest.fixture
async def connection(gateway_database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to this database."""
    async with connected(gateway_database) as connection:
        yield connection


@pytest.fixture(scope="package")
async def serve(gateway_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Serve]:
    """The service, with all routes deployed and both workers ready."""
    async with connected(gateway_database) as connection:
        await Records(connection).deploy()
    environ = {**SETTINGS, "DATABASE_URL": gateway_database}
    async with serving(tmp_path_factory.mktemp("behind"), environ=environ) as serve:
        await serve.workers()
        yield serve


@pytest.fixture(scope="package")
async def nginx(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """An nginx with the shipped configuration."""
    async with gateway(tmp_path_factory.mktemp("nginx"), serve.url) as nginx:
        yield nginx


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that opens a connection for each request."""
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(25)) as session:
        yield session
