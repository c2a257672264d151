"""`python -m tests.tools.failover`: lose primaries under load, and print what it cost. Ends in a few minutes."""

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

from service.config.resources import resource
from service.database.hosts import connect_to_any
from service.database.migrations import load_migrations, migrate
from tests.serving.process import serving
from tests.tools.failover.cluster import DATABASE, Cluster, ClusterError, cluster
from tests.tools.failover.programs import missing_packages
from tests.tools.failover.report import complaints, table
from tests.tools.failover.rounds import ROUNDS, Result, Round, play
from tests.tools.ledger.callers import Population, populate

LIMIT_SECONDS = 600.0
BEGAN = time.monotonic()


def say(words: str) -> None:
    """Tell how far it is."""
    click.echo(f"{time.monotonic() - BEGAN:7.1f} s  {words}")


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A folder, gone at the end, that another account can pass through."""
    with tempfile.TemporaryDirectory(prefix="failover-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


async def _filled(servers: Cluster) -> Population:
    """Make the database, its tables, and who calls."""
    control = await asyncpg.connect(servers.url("postgres"))
    await control.execute(f"CREATE DATABASE {DATABASE}")
    await control.close()
    # A standby may not know of the database yet, which must not keep us from the primary.
    connection = await connect_to_any(servers.url())
    try:
        await migrate(connection, load_migrations(resource("sql") / "migrations"))
        return await populate(connection)
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def _service(servers: Cluster, folder: Path) -> AsyncIterator[str]:
    """The address of a service of two workers on these servers."""
    environ = {"DATABASE_URL": servers.url(), "WEB_CONCURRENCY": "2"}
    async with serving(folder, environ=environ) as serve:
        yield serve.url


async def _run(chosen: Sequence[Round], folder: Path) -> list[Result]:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with asyncio.timeout(LIMIT_SECONDS), cluster(folder) as servers:
        say("two PostgreSQL servers replicate")
        population = await _filled(servers)
        results: list[Result] = []
        async with _service(servers, folder) as url:
            for item in chosen:
                results.append(await play(item, servers, url, population, folder))
                say(f"{item.name}: {results[-1].gap_seconds:.1f} s without a success")
    return results


@click.command()
@click.option("--only", default="", help="Play the rounds whose names contain this.")
def main(only: str) -> None:
    """Lose the primary of two PostgreSQL servers under load, again and again."""
    if packages := missing_packages():
        raise click.ClickException(f"programs are missing: apt-get install {' '.join(packages)}")
    try:
        with _folder() as folder:
            results = asyncio.run(_run([item for item in ROUNDS if only in item.name], folder))
    except (ClusterError, OSError) as error:
        raise click.ClickException(str(error) or "it did not end in time") from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
    click.echo(f"\n{table(results)}\n")
    if found := complaints(results):
        raise click.ClickException("\n".join(["what was promised was not kept:", *found]))


if __name__ == "__main__":
    main()
