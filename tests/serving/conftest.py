"""Folders with settings and data to run the service in, and a PostgreSQL to stop and kill."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from service.embedded_postgres.server import run_embedded
from service.storage.demo import Demo, make_demo
from tests.factories import ROUTES
from tests.serving.postgres import Postgres

# Test data need not survive a crash of the machine.
QUICK = "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n"

SETTINGS = "database:\n  require_durable: false\nserver:\n  shutdown_seconds: 3.0\n"


@pytest.fixture(scope="session")
async def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of an embedded PostgreSQL after its first run. Copying it is faster than initdb."""
    folder = tmp_path_factory.mktemp("made") / ".data"
    async with run_embedded(folder):
        pass
    with (folder / "postgres" / "postgresql.auto.conf").open("a") as settings:
        settings.write(QUICK)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A folder with a config.yaml and the data of an embedded PostgreSQL, for one test."""
    shutil.copytree(made, tmp_path / ".data")
    (tmp_path / "config.yaml").write_text(SETTINGS)
    return tmp_path


@pytest.fixture(scope="module")
async def postgres(made: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    """A PostgreSQL that one module's tests stop, kill and pause. Each test leaves it running."""
    server = Postgres(Path(shutil.copytree(made, tmp_path_factory.mktemp("disturbed") / ".data")))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client that opens a connection for each request, so that any worker may accept it."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True), timeout=aiohttp.ClientTimeout(15)
    ) as session:
        yield session


@pytest.fixture(scope="module")
async def demo(postgres: Postgres) -> Demo:
    """The demo's records, in the migrated database."""
    async with postgres.connection() as connection:
        await migrate(connection, load_migrations(resource("sql") / "migrations"))
        return await make_demo(connection, ROUTES)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config.yaml and no data, for one module."""
    folder = tmp_path_factory.mktemp("serving")
    (folder / "config.yaml").write_text(SETTINGS)
    return folder
