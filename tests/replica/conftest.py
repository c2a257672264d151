"""A primary with a hot standby that streams from it, and a service that reads from both."""

import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from service.api.app import create_app
from service.config import Config, load_config
from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from tests.api.waiting import wait_until
from tests.conftest import FAST, AppClient, Client
from tests.factories import Records
from tests.replica.reading import settled
from tests.serving.conftest import made as made  # noqa: PLC0414 - a fixture
from tests.serving.postgres import Postgres

# A commit that is visible is in the WAL, as on every server that the service accepts without a warning.
SETTINGS = {**FAST, "synchronous_commit": "local", "wal_keep_size": "256MB"}

# A lag that no standby in these tests reaches.
ANY_LAG_SECONDS = 3600.0

# A standby needs as many as its primary ever had.
MAX_CONNECTIONS = 100

CAUGHT_UP = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn"


@dataclass(frozen=True)
class Cluster:
    """Two servers, and a connection to the primary."""

    primary: Postgres
    standby: Postgres
    connection: asyncpg.Connection

    @contextlib.asynccontextmanager
    async def on_standby(self) -> AsyncIterator[asyncpg.Connection]:
        """Open a connection to the standby."""
        async with self.standby.connection() as connection:
            yield connection

    async def caught_up(self) -> None:
        """Wait until the standby has replayed all that the primary has committed."""
        position = await self.connection.fetchval("SELECT pg_current_wal_lsn()::text")
        async with self.on_standby() as standby:
            await wait_until(standby, CAUGHT_UP, position, seconds=20)

    @contextlib.asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Have the standby replay nothing during the block. It has replayed all before, and catches up after."""
        await self.caught_up()
        async with self.on_standby() as standby:
            await standby.execute("SELECT pg_wal_replay_pause()")
            await wait_until(standby, "SELECT pg_get_wal_replay_pause_state() = 'paused'")
            try:
                yield
            finally:
                await standby.execute("SELECT pg_wal_replay_resume()")
        await self.caught_up()

    @contextlib.asynccontextmanager
    async def cut_off(self) -> AsyncIterator[None]:
        """Have the standby receive nothing during the block: it is without a connection to the primary."""
        await self.caught_up()
        async with self.on_standby() as standby:
            await _connect_to(standby, "")
            await wait_until(standby, "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)", seconds=20)
            try:
                yield
            finally:
                await _connect_to(standby, conninfo(self.primary))
        await self.caught_up()


async def _connect_to(standby: asyncpg.Connection, primary: str) -> None:
    await standby.execute(f"ALTER SYSTEM SET primary_conninfo = '{primary}'")
    await standby.execute("SELECT pg_reload_conf()")


def conninfo(primary: Postgres) -> str:
    """The setting primary_conninfo of a standby of this server."""
    (folder,) = parse_qs(urlsplit(primary.url).query)["host"]
    return f"host={folder} user=postgres"


@contextlib.asynccontextmanager
async def standby_of(primary: Postgres, made: Path, folder: Path) -> AsyncIterator[Postgres]:
    """A running hot standby of `primary`, whose data was a copy of `made` too."""
    shutil.copytree(made, folder / ".data")
    data = folder / ".data" / "postgres"
    (data / "standby.signal").touch()
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"primary_conninfo = '{conninfo(primary)}'\n")
    standby = Postgres(folder / ".data", SETTINGS, MAX_CONNECTIONS)
    await standby.start()
    yield standby
    await standby.stop()


@pytest.fixture(scope="session")
async def cluster(made: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """A primary and its standby, with the tables and all routes. Each test leaves both running."""
    folder = tmp_path_factory.mktemp("cluster")
    primary = Postgres(Path(shutil.copytree(made, folder / ".data")), SETTINGS, MAX_CONNECTIONS)
    await primary.start()
    async with primary.connection() as connection:
        await migrate(connection, load_migrations(resource("sql") / "migrations"))
        await Records(connection).deploy()
        async with standby_of(primary, made, tmp_path_factory.mktemp("standby")) as standby:
            yield Cluster(primary, standby, connection)
    await primary.stop()


@pytest.fixture
def connection(cluster: Cluster) -> asyncpg.Connection:
    """A connection to the primary."""
    return cluster.connection


@pytest.fixture
def config(cluster: Cluster, tmp_path: Path) -> Config:
    """Settings with the primary and the standby."""
    urls = {"DATABASE_URL": cluster.primary.url, "DATABASE_REPLICA_URL": cluster.standby.url}
    config = load_config(None, {**urls, "LOG_LEVEL": "info"})
    return replace(config, database=replace(config.database, require_durable=False), data_folder=tmp_path)


def with_lag(config: Config, seconds: float) -> Config:
    """The settings with another `replica_max_lag_seconds`."""
    return replace(config, database=replace(config.database, replica_max_lag_seconds=seconds))


@pytest.fixture
async def client(config: Config, aiohttp_client: AppClient) -> Client:
    """A client of a service whose replica may be as far behind as by default."""
    return await settled(await aiohttp_client(create_app(config)))


@pytest.fixture
async def patient(config: Config, aiohttp_client: AppClient) -> Client:
    """A client of a service whose replica answers although it is far behind."""
    return await settled(await aiohttp_client(create_app(with_lag(config, ANY_LAG_SECONDS))))
