"""Command line of the benchmark: `python -m tests.tools.benchmark`."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
import uvloop

from service.config import ConfigError, load_config
from service.embedded_postgres.server import EmbeddedPostgresError
from tests.tools.benchmark import go_peer, machine, report
from tests.tools.benchmark.contestants import Resources, contestants
from tests.tools.benchmark.database import Log, Target, server, target
from tests.tools.benchmark.plan import Plan, full, quick
from tests.tools.benchmark.plot import series_of, svg
from tests.tools.benchmark.processes import ROOT, BenchmarkError, generator
from tests.tools.benchmark.runner import Run


async def benchmark(plan: Plan, folder: Path, log: Log) -> tuple[Run, dict[str, str]]:
    """Run a plan on a PostgreSQL with its data in `folder`; return the run and the facts about its environment."""
    deadline = time.monotonic() + plan.limit_seconds
    workers = load_config(None, os.environ).server.workers
    facts = {
        "workers": str(workers),
        **machine.facts(),
        "a commit on its disk": f"{machine.commit_microseconds(folder):.0f} µs",
    }
    go, facts["Go"] = await _go_peer(folder, log)
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(server(folder / "data", workers * len(plan.sizes)))
        targets = {size: await stack.enter_async_context(target(url, size, log)) for size in plan.sizes}
        facts["PostgreSQL"] = await _postgres(targets[plan.sizes[0]])
        log("starting the contestants")
        load = await stack.enter_async_context(generator())
        names = {name: [targets[size] for size in sizes] for name, sizes in plan.contestants.items()}
        found = await stack.enter_async_context(contestants(names, Resources(workers, load, folder, go)))
        run = Run(plan, found, log, deadline)
        await run.run_all()
    return run, facts


async def _go_peer(folder: Path, log: Log) -> tuple[Path | None, str]:
    log("building the Go peer, up to a minute the first time")
    try:
        return await go_peer.build(folder), await go_peer.version()
    except go_peer.GoUnavailableError as missing:
        log(f"without the Go peer, {missing}")
        return None, str(missing)


async def _postgres(where: Target) -> str:
    names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size")
    values = [await where.connection.fetchval("SELECT current_setting($1)", name) for name in names]
    place = "TEST_DATABASE_URL" if os.environ.get("TEST_DATABASE_URL") else "embedded"
    return f"{place}, " + ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))


@contextlib.contextmanager
def disk_folder() -> Iterator[Path]:
    """Create a temporary folder on the repository's disk, because the usual one may be in memory; delete it on exit."""
    parent = ROOT / ".data"
    parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=parent) as folder:
        yield Path(folder)


def write(run: Run, facts: dict[str, str], output: Path) -> None:
    """Write the report and its plot to the folder `output`."""
    output.mkdir(parents=True, exist_ok=True)
    (output / "latest.md").write_text(report.document(run, facts), "utf-8")
    (output / "latest.svg").write_text(svg(series_of(run)), "utf-8")


async def _main(plan: Plan, folder: Path, log: Log) -> tuple[Run, dict[str, str]]:
    # asyncio.Runner already cancels the task on Ctrl-C.
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await benchmark(plan, folder, log)


@click.command()
@click.option(
    "--full",
    "full_run",
    is_flag=True,
    help="Run more rounds, also with tables of millions of rows; takes under 20 minutes.",
)
@click.option(
    "--minutes", type=click.FloatRange(min=1), help="Stop after this time, and report what has been measured."
)
@click.option(
    "--output", type=click.Path(path_type=Path), default=ROOT / "docs" / "benchmarks", help="Folder for the report."
)
def main(*, full_run: bool, minutes: float | None, output: Path) -> None:
    """Compare the service with its upper limits and with peers, and write a report.

    Exit code 0: all answers were correct (missed targets are only reported); 1: wrong answers, or it could not run;
    130: interrupted.
    """
    started = time.monotonic()

    def log(text: str) -> None:
        click.echo(f"{time.monotonic() - started:7.1f} s  {text}")

    plan = full() if full_run else quick()
    if minutes is not None:
        plan = replace(plan, limit_seconds=minutes * 60)
    try:
        with disk_folder() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            run, facts = runner.run(_main(plan, folder, log))
    except (KeyboardInterrupt, asyncio.CancelledError):
        log("stopped; no report was written")
        sys.exit(130)
    except (BenchmarkError, ConfigError, EmbeddedPostgresError, OSError) as error:
        raise click.ClickException(str(error)) from None
    command = f"make bench{'-full' if full_run else ''}" + (f' ARGS="--minutes {minutes:g}"' if minutes else "")
    write(run, {"date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "command": f"`{command}`", **facts}, output)
    log(f"done; written to {output}\n")
    click.echo("\n".join([*report.target_table(run), "", *report.notes(run)]))
    if failed := report.failures(run):
        raise click.ClickException("some answers were wrong, so the figures are invalid:\n" + "\n".join(failed))


if __name__ == "__main__":
    main()
