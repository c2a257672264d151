"""Command line of the failover test: `python -m tests.tools.failover`."""

import asyncio
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import asyncpg
import click

from service.config.database_url import parse_database_url
from service.config.resources import resource
from service.database.hosts import connect_to_any
from service.database.migrations import load_migrations, migrate
from tests.serving.process import serving
from tests.tools.failover.cluster import DATABASE, Cluster, ClusterError, cluster
from tests.tools.failover.processes import missing_packages
from tests.tools.failover.report import failures, table
from tests.tools.failover.rounds import LAG_SECONDS, ROUNDS, Result, Round, run_round
from tests.tools.ledger.callers import Population, populate

TIMEOUT_SECONDS = 600.0
STARTED = time.monotonic()


def log(message: str) -> None:
    """Print a progress message with the elapsed time."""
    click.echo(f"{time.monotonic() - STARTED:7.1f} s  {message}")


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Create a temporary folder that another account can traverse, and delete it on exit."""
    with tempfile.TemporaryDirectory(prefix="failover-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


async def _create_database(servers: Cluster) -> Population:
    """Create the database, its tables, and the callers."""
    control = await asyncpg.connect(servers.url("postgres"))
    await control.execute(f"CREATE DATABASE {DATABASE}")
    await control.close()
    # The standby may not have replicated the database yet; the primary must still be reachable.
    connection = await connect_to_any(parse_database_url(servers.url()))
    try:
        await migrate(connection, load_migrations(resource("sql") / "migrations"))
        return await populate(connection)
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def _service(servers: Cluster, folder: Path) -> AsyncIterator[str]:
    """Run a service with two workers on these servers; yield its URL."""
    environ = {
        "DATABASE_URL": servers.url(),
        "DATABASE_REPLICA_URL": servers.replica_url(),
        "REQUIREMENTS__DATABASE__REPLICA_MAX_LAG_SECONDS": str(LAG_SECONDS),
        "WEB_CONCURRENCY": "2",
    }
    async with serving(folder, environ=environ) as serve:
        yield serve.url


async def _run(chosen: Sequence[Round], folder: Path) -> list[Result]:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with asyncio.timeout(TIMEOUT_SECONDS), cluster(folder) as servers:
        log("two PostgreSQL servers replicate")
        population = await _create_database(servers)
        results: list[Result] = []
        async with _service(servers, folder) as url:
            for round_ in chosen:
                results.append(await run_round(round_, servers, url, population, folder))
                log(f"{round_.name}: {results[-1].gap_seconds:.1f} s without a success")
    return results


@click.command()
@click.option("--only", default="", help="Run only the rounds whose names contain this.")
def main(only: str) -> None:
    """Make the primary of two PostgreSQL servers fail under load, in several ways, and once the standby.

    Exit code 0: guarantees kept; 1: otherwise; 130: interrupted.
    """
    if packages := missing_packages():
        raise click.ClickException(f"missing programs: apt-get install {' '.join(packages)}")
    try:
        with _temporary_folder() as folder:
            results = asyncio.run(_run([round_ for round_ in ROUNDS if only in round_.name], folder))
    except (ClusterError, OSError) as error:
        raise click.ClickException(str(error) or "the run timed out") from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
    click.echo(f"\n{table(results)}\n")
    if found := failures(results):
        raise click.ClickException("\n".join(["guarantees were broken:", *found]))


if __name__ == "__main__":
    main()
