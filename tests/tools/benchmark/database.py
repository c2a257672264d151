"""The benchmark's durable PostgreSQL and its databases."""

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
from tests.factories import ROUTES
from tests.tools.benchmark import machine
from tests.tools.benchmark.plan import PEAK, Size

Log = Callable[[str], None]

SQL = Path(__file__).parent / "sql"
CHUNK = 250_000
MAX_USERS = 100_000

_COUNTERS = """
SELECT
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_bytes,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS writes,
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM requirements_id_seq) AS rows,
    (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()) AS statements
"""


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters of a database: WAL bytes, writing transactions, requirements, and all transactions."""

    wal_bytes: int
    writes: int
    rows: int
    statements: int


@dataclass(frozen=True, slots=True)
class Target:
    """A database to measure on. `postmaster` is the server's main process, if it is visible."""

    size: Size
    url: str
    connection: asyncpg.Connection
    postmaster: int | None

    async def counters(self) -> Counters:
        """Read the counters. The number of all transactions lags by up to ten seconds."""
        (row,) = await self.connection.fetch(_COUNTERS)
        return Counters(**row)

    async def most_clients(self) -> int:
        """Return the number of connections left for pgbench."""
        left: int = await self.connection.fetchval(
            "SELECT current_setting('max_connections')::int - 20 - count(*)::int FROM pg_stat_activity"
        )
        return left

    async def prepare(self) -> None:
        """Restore the starting state of a scenario: empty the table if it must be empty, and write a checkpoint."""
        if not self.size.requirements:
            # Nobody reads the feed here, and recording that each row was destroyed takes seconds.
            await self.connection.execute(
                "ALTER TABLE requirements DISABLE TRIGGER requirements_truncated; "
                "TRUNCATE requirements, changes CASCADE; "
                "ALTER TABLE requirements ENABLE TRIGGER requirements_truncated"
            )
        await self.connection.execute("CHECKPOINT")


@contextlib.asynccontextmanager
async def server(folder: Path, workers: int) -> AsyncIterator[str]:
    """Yield the URL of a PostgreSQL: TEST_DATABASE_URL if set, else an embedded one in `folder`."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    settings = {
        "max_connections": str(PEAK + 64 + 40 * workers),
        "shared_buffers": "1GB",
        "max_wal_size": "8GB",
        "checkpoint_timeout": "30min",
    }
    async with run_embedded(folder, settings=settings) as running:
        yield running.url


@contextlib.asynccontextmanager
async def target(server_url: str, size: Size, log: Log) -> AsyncIterator[Target]:
    """Create a migrated and filled database, and drop it on exit."""
    name = f"requirements_benchmark_{size.name}"
    url = urlsplit(server_url)._replace(path=f"/{name}").geturl()
    control = await asyncpg.connect(server_url)
    try:
        await control.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await control.execute(f"CREATE DATABASE {name}")
        connection = await asyncpg.connect(url)
        try:
            await migrate(connection, load_migrations(resource("sql") / "migrations"))
            await _fill(connection, size, log)
            yield Target(size, url, connection, machine.postmaster(connection.get_server_pid()))
        finally:
            await connection.close()
            await control.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await control.close()


async def _fill(connection: asyncpg.Connection, size: Size, log: Log) -> None:
    users = min(size.sessions, MAX_USERS)
    await connection.execute((SQL / "records.sql").read_text())
    for route in ROUTES:
        await deploy_route(connection, route, sensitive_params=False)
    await _insert(connection, "users", users, (), log)
    await _insert(connection, "sessions", size.sessions, (users,), log)
    await _insert(connection, "requirements", size.requirements, (), log)
    await connection.execute("VACUUM ANALYZE")


async def _insert(connection: asyncpg.Connection, table: str, rows: int, args: tuple[int, ...], log: Log) -> None:
    query = (SQL / f"{table}.sql").read_text()
    for first in range(1, rows + 1, CHUNK):
        last = min(first + CHUNK - 1, rows)
        await connection.execute(query, first, last, *args)
        if rows > CHUNK:
            log(f"{table}: {last:,} of {rows:,} rows")
