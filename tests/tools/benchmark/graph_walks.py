"""`python -m tests.tools.benchmark.graph_walks`: what a closure and a path cost on graphs of four shapes.

It fills a new database with a million requirements, asks for closures from several things of each shape, and prints
time and rows read for each thing in the answer, beside one recursive statement with CYCLE that may run for 10 seconds.
Exit code 0 unless it crashes.
"""

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import asyncpg
import click

from service.config import load_config
from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from service.database.pool import Database, open_database
from service.database.session import INDEX_SCANS
from service.domain.callers import Viewer
from service.domain.closures import MAX_THINGS, Position
from service.domain.graph import Scope
from service.domain.references import Reference
from service.embedded_postgres.server import run_embedded
from service.storage import requirement_graph
from service.storage.requirement_graph import Reading, TooManyRowsError, read_closure, read_path

SHAPES = ("chain", "star", "random", "scale-free")
ORIGINS = (2, 3, 5, 7, 11)
SCOPE = Scope(any_key=True, key=None, max_depth=64)
STATEMENT_SECONDS = 10.0
SQL = Path(__file__).parent / "sql"


class Walk(NamedTuple):
    """One answer: how much it holds (None if it was refused), the rows read for it, and how long it took."""

    results: int | None
    rows: int
    seconds: float


class RowCounter:
    """Counts the requirements that the statements of walks read."""

    def __init__(self) -> None:
        self.rows = 0
        self._fetch = requirement_graph._fetch  # noqa: SLF001 - every statement of a walk runs here

    async def __call__(self, connection: asyncpg.Connection, timeout: float, query: str, *args: object) -> Any:
        """Run a statement."""
        rows = await self._fetch(connection, timeout, query, *args)
        self.rows += len(rows) if "FROM requirements" in query else 0
        return rows


async def closure(database: Database, origin: Reference) -> Walk:
    """The first page of a closure."""
    reading = Reading(database, Viewer(sees_all=True, user_id=None), STATEMENT_SECONDS)
    with patch.object(requirement_graph, "_fetch", RowCounter()) as counter:
        began = time.perf_counter()
        results = None
        with contextlib.suppress(TooManyRowsError):
            page = await read_closure(origin, "requires", SCOPE, (Position(), MAX_THINGS), reading)
            results = len(page.things)
        return Walk(results, counter.rows, time.perf_counter() - began)


async def path(database: Database, start: Reference, goal: Reference) -> Walk:
    """A shortest path."""
    reading = Reading(database, Viewer(sees_all=True, user_id=None), STATEMENT_SECONDS)
    with patch.object(requirement_graph, "_fetch", RowCounter()) as counter:
        began = time.perf_counter()
        results = None
        with contextlib.suppress(TooManyRowsError):
            results = len(await read_path(start, goal, SCOPE, reading) or ())
        return Walk(results, counter.rows, time.perf_counter() - began)


async def recursive(connection: asyncpg.Connection, origin: Reference) -> Walk:
    """The same closure by one statement, cancelled after a time."""
    began = time.perf_counter()
    try:
        rows = await connection.fetch((SQL / "recursive_closure.sql").read_text("utf-8"), *origin)
    except asyncpg.QueryCanceledError:
        return Walk(None, 0, time.perf_counter() - began)
    return Walk(len(rows), 0, time.perf_counter() - began)


def line(shape: str, name: str, walks: list[Walk]) -> str:
    """A row of the table: the medians of the walks that were answered."""
    answered = [walk for walk in walks if walk.results is not None]
    share = f"{len(answered)} of {len(walks)}"
    if not answered:
        seconds = statistics.median(walk.seconds for walk in walks)
        return f"| {shape} | {name} | {share} | | | {seconds * 1000:,.0f} | |"
    results, rows, seconds = (statistics.median(values) for values in zip(*answered, strict=True))
    each = max(results, 1)
    per_result = f"{rows / each:.2f}" if rows else ""
    milliseconds, microseconds = seconds * 1000, seconds / each * 1e6
    return f"| {shape} | {name} | {share} | {results:,.0f} | {per_result} | {milliseconds:,.1f} | {microseconds:,.0f} |"


@contextlib.asynccontextmanager
async def filled(edges: int) -> AsyncIterator[tuple[Database, asyncpg.Connection]]:
    """A database with this number of requirements: a pool for reads, and a connection whose statements are limited."""
    with tempfile.TemporaryDirectory(prefix="graph-walks-") as folder:
        async with run_embedded(Path(folder) / "data") as server:
            connection = await asyncpg.connect(server.url)
            await migrate(connection, load_migrations(resource("sql") / "migrations"))
            began = time.perf_counter()
            await connection.execute("SELECT setseed(0.5)")
            await connection.fetch((SQL / "graphs.sql").read_text("utf-8"), edges)
            await connection.execute("VACUUM ANALYZE requirements")
            click.echo(f"{edges:,} requirements written in {time.perf_counter() - began:.0f} s\n")
            await connection.execute(f"SET statement_timeout = {STATEMENT_SECONDS * 1000:.0f}")
            config = load_config(None, {"DATABASE_URL": server.url})
            async with open_database(config.database, server.url, planning=INDEX_SCANS) as database:
                yield database, connection
            await connection.close()


async def compare(edges: int) -> None:
    """Measure all shapes and print the table."""
    async with filled(edges) as (database, connection):
        click.echo("| graph | question | answered | results | rows read per result | ms | µs per result |")
        click.echo("|---|---|--:|--:|--:|--:|--:|")
        for shape in SHAPES:
            origins = [Reference(shape, number) for number in ORIGINS]
            await closure(database, origins[0])  # warm up
            pairs = zip(origins, origins[1:] + origins[:1], strict=True)
            click.echo(line(shape, "closure", [await closure(database, origin) for origin in origins]))
            click.echo(line(shape, "path", [await path(database, *pair) for pair in pairs]))
            found = [await recursive(connection, origin) for origin in origins[:3]]
            click.echo(line(shape, "WITH RECURSIVE … CYCLE", found))


@click.command()
@click.option("--edges", default=1_000_000, show_default=True, help="number of requirements")
def main(edges: int) -> None:
    """Measure closures and paths on graphs of four shapes."""
    asyncio.run(compare(edges))


if __name__ == "__main__":
    main()
