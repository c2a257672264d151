"""Fixtures for all tests: a server, a migrated database, records, an application, a client."""

import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
import structlog
from aiohttp import web, web_app
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, settings

from service.api.app import create_app
from service.config import Config, load_config
from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from service.embedded_postgres.server import run_embedded
from tests.databases import ReusedDatabase, connected, on_database
from tests.factories import AppRecord, Records

Client = TestClient[web.Request, web.Application]
AppClient = Callable[[web.Application], Awaitable[Client]]

# No test database has to survive a crash. Autovacuum could free the place of deleted rows during a test, and thereby
# change the order of rows in a table.
FAST = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
}

# On a busy machine, the duration of a generated case depends on the machine.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# The tests of these folders take longest: many of them start processes.
LONGEST = ("tools", "serving", "replica")

# The name has the worker's name in it because workers may share one server.
TEMPLATE = f"requirements_template_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the longest files, so that the processes of a parallel run end at about the same time."""
    tests = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(tests).parts[0] not in LONGEST)


@pytest.fixture(autouse=True)
def plain_tracebacks() -> None:
    """Log tracebacks as plain text: formatted ones take longer than most tests."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.ExceptionRenderer(),
            structlog.processors.KeyValueRenderer(),
        ],
        cache_logger_on_first_use=False,
    )


@pytest.fixture(scope="session", autouse=True)
def frozen_objects() -> None:
    """Exempt what the collection of tests made from garbage collection, which would stop the event loop for seconds."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def released_apps() -> Iterator[None]:
    """Let the apps of a test be freed: aiohttp caches the middlewares of up to 1,024 handlers and their apps."""
    yield
    web_app._cached_build_middleware.cache_clear()  # noqa: SLF001 - aiohttp has no public access to it


@pytest.fixture(scope="session")
async def server_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of a PostgreSQL server: TEST_DATABASE_URL if set, else an embedded server for this run."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    async with run_embedded(tmp_path_factory.mktemp("postgres"), settings=FAST) as server:
        yield server.url


@pytest.fixture(scope="session")
async def template(server_url: str) -> AsyncIterator[str]:
    """The name of a migrated database to clone."""
    async with connected(server_url) as server:
        await server.execute(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
        await server.execute(f"CREATE DATABASE {TEMPLATE}")
    async with connected(on_database(server_url, TEMPLATE)) as connection:
        await migrate(connection, load_migrations(resource("sql") / "migrations"))
    yield TEMPLATE
    async with connected(server_url) as server:
        await server.execute(f"DROP DATABASE {TEMPLATE} WITH (FORCE)")


@pytest.fixture(scope="session")
async def reused_database(server_url: str, template: str) -> AsyncIterator[ReusedDatabase]:
    """The database that the tests of this process use one after another."""
    async with connected(server_url) as server:
        reused = ReusedDatabase(server_url, server, template)
        yield reused
        await reused.drop()


@pytest.fixture
async def database_url(server_url: str, reused_database: ReusedDatabase) -> AsyncIterator[str]:
    """The URL of a migrated, empty database. A test may do anything to it: the next test gets it clean."""
    yield on_database(server_url, await reused_database.take())
    await reused_database.give_back()


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the test's database."""
    async with connected(database_url) as connection:
        yield connection


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A second connection to the test's database."""
    async with connected(database_url) as connection:
        yield connection


@pytest.fixture
async def records(connection: asyncpg.Connection) -> Records:
    """Creates records in the test's database."""
    return Records(connection)


@pytest.fixture
async def application(records: Records) -> AppRecord:
    """An application with a token."""
    return await records.application()


@pytest.fixture
async def user_id(records: Records) -> int:
    """The id of a user to reference."""
    return (await records.user())[0]


@pytest.fixture(scope="session")
def default_config() -> Config:
    """The default settings, without a database."""
    return load_config(None, {"LOG_LEVEL": "error"})


@pytest.fixture
def config(default_config: Config, database_url: str, tmp_path: Path) -> Config:
    """The default settings with the test's database, which need not be durable, and with patience on a busy machine."""
    database = replace(
        default_config.database,
        url=database_url,
        require_durable=False,
        acquire_timeout_seconds=5.0,
        connect_timeout_seconds=10.0,
    )
    return replace(default_config, database=database, data_folder=tmp_path)


@pytest.fixture
def aiohttp_client(aiohttp_client: Callable[[TestServer], Awaitable[Client]]) -> AppClient:
    """Serve an application as a worker does, without decoding request bodies, and return a client of it."""

    async def serve(app: web.Application) -> Client:
        server = TestServer(app)
        await server.start_server(auto_decompress=False, access_log=None)
        return await aiohttp_client(server)

    return serve


@pytest.fixture
async def client(config: Config, records: Records, aiohttp_client: AppClient) -> Client:
    """A client of the service, with all routes deployed."""
    await records.deploy()
    return await aiohttp_client(create_app(config))
