"""A folder to serve from, with settings and data of its own."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from service.embedded_postgres.server import run_embedded
from service.storage.demo import ROUTE, Demo, make_demo
from tests.serving.postgres import Postgres

# Tests have no need that what they write outlives a crash of the machine.
QUICK = "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n"

SETTINGS = "database:\n  require_durable: false\nserver:\n  shutdown_seconds: 3.0\n"


@pytest.fixture(scope="session")
async def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of an embedded PostgreSQL after its first run, to copy from: quicker than an initdb."""
    folder = tmp_path_factory.mktemp("made") / ".data"
    async with run_embedded(folder):
        pass
    with (folder / "postgres" / "postgresql.auto.conf").open("a") as settings:
        settings.write(QUICK)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A folder with a config.yaml and an embedded PostgreSQL of the test's own."""
    return furnished(made, tmp_path)


def furnished(made: Path, folder: Path) -> Path:
    """Make `folder` one to serve from."""
    shutil.copytree(made, folder / ".data")
    (folder / "config.yaml").write_text(SETTINGS)
    return folder


@pytest.fixture(scope="module")
async def postgres(made: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    """A PostgreSQL for one module's tests to disturb; each leaves it running."""
    server = Postgres(Path(shutil.copytree(made, tmp_path_factory.mktemp("disturbed") / ".data")))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A caller that opens a connection for each request, so that any worker may get it."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True), timeout=aiohttp.ClientTimeout(15)
    ) as session:
        yield session


@pytest.fixture(scope="module")
async def demo(postgres: Postgres) -> Demo:
    """The tables and the demo's records."""
    async with postgres.connection() as connection:
        await migrate(connection, load_migrations(resource("sql") / "migrations"))
        return await make_demo(connection, [ROUTE])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with settings."""
    folder = tmp_path_factory.mktemp("serving")
    (folder / "config.yaml").write_text(SETTINGS)
    return folder
