"""The stairs that tests climb: a server, a migrated template, a database of one's own, an app, a client."""

import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, settings

from service.api.app import create_app
from service.config import Config, load_config
from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from service.embedded_postgres.server import run_embedded
from tests.factories import AppRecord, Records

Client = TestClient[web.Request, web.Application]
AppClient = Callable[[web.Application], Awaitable[Client]]

# Tests make hundreds of databases, and none of them has to survive a crash.
FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_connections": "200"}

# How long a generated case takes on a busy machine says nothing of what is tested.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# Processes that share the tests may share a server.
TEMPLATE = f"requirements_template_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"


@pytest.fixture(autouse=True)
def plain_tracebacks() -> None:
    """Tracebacks in the log as they are: drawing them prettily takes longer than most tests."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.ExceptionRenderer(),
            structlog.processors.KeyValueRenderer(),
        ],
        cache_logger_on_first_use=False,
    )


@pytest.fixture(scope="session")
async def server_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of a PostgreSQL: TEST_DATABASE_URL where it is set, else an embedded one for this run."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    async with run_embedded(tmp_path_factory.mktemp("postgres"), settings=FAST) as server:
        yield server.url


def on_database(server_url: str, name: str) -> str:
    """The address of another database of the same server."""
    address, _, query = server_url.partition("?")
    return f"{address.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


@pytest.fixture(scope="session")
async def template(server_url: str) -> AsyncIterator[str]:
    """The name of a migrated database, to be cloned."""
    async with connected(server_url) as server:
        await server.execute(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
        await server.execute(f"CREATE DATABASE {TEMPLATE}")
    async with connected(on_database(server_url, TEMPLATE)) as connection:
        await migrate(connection, load_migrations(resource("sql") / "migrations"))
    yield TEMPLATE
    async with connected(server_url) as server:
        await server.execute(f"DROP DATABASE {TEMPLATE} WITH (FORCE)")


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection, closed at the end."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def new_database(server_url: str, template: str = "template1") -> AsyncIterator[str]:
    """The address of a database cloned from `template`, an empty one by default; dropped at the end."""
    name = f"test_{secrets.token_hex(6)}"
    async with connected(server_url) as server:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield on_database(server_url, name)
    finally:
        async with connected(server_url) as server:
            await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database_url(server_url: str, template: str) -> AsyncIterator[str]:
    """The address of a migrated database of the test's own."""
    async with new_database(server_url, template) as url:
        yield url


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the test's own database."""
    async with connected(database_url) as connection:
        yield connection


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A second connection to it."""
    async with connected(database_url) as connection:
        yield connection


@pytest.fixture
async def records(connection: asyncpg.Connection) -> Records:
    """Makes records in the test's own database."""
    return Records(connection)


@pytest.fixture
async def application(records: Records) -> AppRecord:
    """An application with a token."""
    return await records.application()


@pytest.fixture
async def user_id(records: Records) -> int:
    """A user to refer to."""
    return (await records.user())[0]


@pytest.fixture
def config(database_url: str, tmp_path: Path) -> Config:
    """The shipped settings, on the test's own database, which need not be durable."""
    config = load_config(None, {"DATABASE_URL": database_url, "LOG_LEVEL": "error"})
    return replace(config, database=replace(config.database, require_durable=False), data_folder=tmp_path)


@pytest.fixture
def aiohttp_client(aiohttp_client: Callable[[TestServer], Awaitable[Client]]) -> AppClient:
    """A client of an app that is served as a worker serves it: what comes in a content coding is not touched."""

    async def serve(app: web.Application) -> Client:
        server = TestServer(app)
        await server.start_server(auto_decompress=False, access_log=None)
        return await aiohttp_client(server)

    return serve


@pytest.fixture
async def client(config: Config, records: Records, aiohttp_client: AppClient) -> Client:
    """A client of the service, with the create route deployed."""
    await records.deploy()
    return await aiohttp_client(create_app(config))
