"""The PostgreSQL of the benchmark, durable as in earnest, and its databases."""

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from service.embedded_postgres.server import run_embedded
from service.storage.registry import deploy_route
from tests.factories import ROUTE
from tests.tools.benchmark import machine
from tests.tools.benchmark.plan import CROWD, Size

Say = Callable[[str], None]

SQL = Path(__file__).parent / "sql"
CHUNK = 250_000
MOST_USERS = 100_000

_COUNTERS = """
SELECT
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_bytes,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS writes,
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM requirements_id_seq) AS rows,
    (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()) AS statements
"""


@dataclass(frozen=True, slots=True)
class Counters:
    """What a database has done so far: WAL written, transactions that wrote, requirements, and all transactions."""

    wal_bytes: int
    writes: int
    rows: int
    statements: int


@dataclass(frozen=True, slots=True)
class Target:
    """A database to measure on. `postmaster` is the server's first process, where it can be seen."""

    size: Size
    url: str
    connection: asyncpg.Connection
    postmaster: int | None

    async def counters(self) -> Counters:
        """The counters as of now; the statements lag behind by up to ten seconds."""
        (row,) = await self.connection.fetch(_COUNTERS)
        return Counters(**row)

    async def most_clients(self) -> int:
        """How many connections are left for pgbench beside those there are."""
        left: int = await self.connection.fetchval(
            "SELECT current_setting('max_connections')::int - 20 - count(*)::int FROM pg_stat_activity"
        )
        return left

    async def prepare(self) -> None:
        """Begin a scenario as the others did: without what they left behind, where the tables are to be empty."""
        if not self.size.requirements:
            await self.connection.execute("TRUNCATE requirements CASCADE")
        await self.connection.execute("CHECKPOINT")


@contextlib.asynccontextmanager
async def server(folder: Path, workers: int) -> AsyncIterator[str]:
    """The address of a PostgreSQL: TEST_DATABASE_URL where it is set, else an embedded one in `folder`."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    settings = {
        "max_connections": str(CROWD + 64 + 40 * workers),
        "shared_buffers": "1GB",
        "max_wal_size": "8GB",
        "checkpoint_timeout": "30min",
    }
    async with run_embedded(folder, settings=settings) as running:
        yield running.url


@contextlib.asynccontextmanager
async def target(server_url: str, size: Size, say: Say) -> AsyncIterator[Target]:
    """A migrated and filled database, dropped at the end."""
    name = f"requirements_benchmark_{size.name}"
    url = urlsplit(server_url)._replace(path=f"/{name}").geturl()
    control = await asyncpg.connect(server_url)
    try:
        await control.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await control.execute(f"CREATE DATABASE {name}")
        connection = await asyncpg.connect(url)
        try:
            await migrate(connection, load_migrations(resource("sql") / "migrations"))
            await _fill(connection, size, say)
            yield Target(size, url, connection, machine.postmaster(connection.get_server_pid()))
        finally:
            await connection.close()
            await control.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await control.close()


async def _fill(connection: asyncpg.Connection, size: Size, say: Say) -> None:
    users = min(size.sessions, MOST_USERS)
    await connection.execute((SQL / "records.sql").read_text())
    await deploy_route(connection, ROUTE, sensitive_params=False)
    await _insert(connection, "users", users, (), say)
    await _insert(connection, "sessions", size.sessions, (users,), say)
    await _insert(connection, "requirements", size.requirements, (), say)
    await connection.execute("VACUUM ANALYZE")


async def _insert(connection: asyncpg.Connection, table: str, rows: int, args: tuple[int, ...], say: Say) -> None:
    query = (SQL / f"{table}.sql").read_text()
    for first in range(1, rows + 1, CHUNK):
        last = min(first + CHUNK - 1, rows)
        await connection.execute(query, first, last, *args)
        if rows > CHUNK:
            say(f"{table}: {last:,} of {rows:,} rows")
