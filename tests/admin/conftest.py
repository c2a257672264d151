"""Fixtures: a running service with its internal listener, on its own database."""

import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from service.api.app import create_app
from service.config import Config
from service.metrics.definitions import Metrics
from service.storage.demo import Demo, make_demo
from tests.conftest import AppClient, Client
from tests.databases import new_database
from tests.factories import CREATE, ROUTES, Records
from tests.serving.process import Serve, serving


class RunningService:
    """A running service and the address of its internal listener."""

    def __init__(self, serve: Serve, http: aiohttp.ClientSession, demo: Demo, console: str) -> None:
        self.serve = serve
        self.http = http
        self.demo = demo
        self.console = console

    async def ping(self) -> None:
        """Send GET /ping to any worker."""
        async with self.http.get(f"{self.serve.url}/ping") as response:
            assert response.status == 200

    async def create(self, token: str | None = None) -> str:
        """Send a create and return its status."""
        params = {
            "token": token or self.demo.application_token,
            "required": {"type": "Service", "id": self.demo.service_id},
            "requireable": {"type": "Application", "id": self.demo.application_id},
        }
        async with self.http.post(f"{self.serve.url}{CREATE}", json=params) as response:
            status: str = (await response.json())["status"]
        return status


def settings(database_url: str, console_port: int = 0) -> dict[str, str]:
    """The environment of a service on `database_url`."""
    return {
        "DATABASE_URL": database_url,
        "REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false",
        "REQUIREMENTS__CONSOLE__PORT": str(console_port),
    }


@contextlib.asynccontextmanager
async def running_service(
    folder: Path, database_url: str, changes: Mapping[str, str] | None = None
) -> AsyncIterator[RunningService]:
    """Run a service with two workers on `database_url` and wait until it is ready. `changes` are extra settings."""
    connection = await asyncpg.connect(database_url)
    demo = await make_demo(connection, ROUTES)
    await connection.close()
    async with (
        http_session() as http,
        serving(folder, environ=settings(database_url) | dict(changes or {})) as serve,
    ):
        await serve.workers()
        yield RunningService(serve, http, demo, (await serve.event("console-listening"))[0]["url"])


@contextlib.asynccontextmanager
async def http_session() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client that opens a new connection for each request, so that any worker can get it."""
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(15)) as http:
        yield http


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client."""
    async with http_session() as http:
        yield http


@pytest.fixture(scope="session")
async def shared(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningService]:
    """A shared service for tests that do not disturb it."""
    async with (
        new_database(server_url, template) as url,
        running_service(tmp_path_factory.mktemp("watched"), url) as service,
    ):
        yield service


@pytest.fixture
async def service(tmp_path: Path, database_url: str) -> AsyncIterator[RunningService]:
    """A service for one test."""
    async with running_service(tmp_path, database_url) as service:
        yield service


@pytest.fixture
def metrics() -> Metrics:
    """The metrics of the client's application."""
    return Metrics()


@pytest.fixture
async def client(config: Config, records: Records, aiohttp_client: AppClient, metrics: Metrics) -> Client:
    """A client of an application with all routes deployed."""
    await records.deploy()
    return await aiohttp_client(create_app(config, metrics))


@pytest.fixture
async def unreachable(config: Config, aiohttp_client: AppClient, metrics: Metrics) -> Client:
    """A client of an application whose database is unreachable."""
    away = replace(config, database=replace(config.database, url="postgresql://someone@127.0.0.1:1/somewhere"))
    return await aiohttp_client(create_app(away, metrics))


@pytest.fixture
def taken_port() -> Iterator[socket.socket]:
    """A listener that occupies a port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener
