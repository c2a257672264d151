"""`python -m tests.tools.benchmark`: runs the quick form or the full one, and writes its report."""

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
from tests.tools.benchmark.contestants import Means, contestants
from tests.tools.benchmark.database import Say, Target, server, target
from tests.tools.benchmark.plan import Form, full, quick
from tests.tools.benchmark.plot import series_of, svg
from tests.tools.benchmark.processes import ROOT, BenchmarkError, generator
from tests.tools.benchmark.running import Run


async def benchmark(form: Form, folder: Path, say: Say) -> tuple[Run, dict[str, str]]:
    """Play a form on a PostgreSQL kept in `folder`; the run, and the facts that its figures hang on."""
    deadline = time.monotonic() + form.limit_seconds
    workers = load_config(None, os.environ).server.workers
    facts = {
        "workers": str(workers),
        **machine.facts(),
        "a commit on its disk": f"{machine.commit_microseconds(folder):.0f} µs",
    }
    go, facts["Go"] = await _go_peer(folder, say)
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(server(folder / "data", workers * len(form.sizes)))
        targets = {size: await stack.enter_async_context(target(url, size, say)) for size in form.sizes}
        facts["PostgreSQL"] = await _postgres(targets[form.sizes[0]])
        say("starting the contestants")
        load = await stack.enter_async_context(generator())
        names = {name: [targets[size] for size in sizes] for name, sizes in form.contestants.items()}
        found = await stack.enter_async_context(contestants(names, Means(workers, load, folder, go)))
        run = Run(form, found, say, deadline)
        await run.play()
    return run, facts


async def _go_peer(folder: Path, say: Say) -> tuple[Path | None, str]:
    say("making the Go peer, for up to a minute the first time")
    try:
        return await go_peer.build(folder), await go_peer.version()
    except go_peer.GoMissing as missing:
        say(f"without the Go peer, {missing}")
        return None, str(missing)


async def _postgres(where: Target) -> str:
    names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size")
    values = [await where.connection.fetchval("SELECT current_setting($1)", name) for name in names]
    place = "TEST_DATABASE_URL" if os.environ.get("TEST_DATABASE_URL") else "embedded"
    return f"{place}, " + ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))


@contextlib.contextmanager
def durable_folder() -> Iterator[Path]:
    """An empty folder on the disk of the repository, gone at the end: what is called temporary may be memory."""
    parent = ROOT / ".data"
    parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=parent) as folder:
        yield Path(folder)


def write(run: Run, facts: dict[str, str], output: Path) -> None:
    """Leave the report and its plot in the folder `output`."""
    output.mkdir(parents=True, exist_ok=True)
    (output / "latest.md").write_text(report.document(run, facts), "utf-8")
    (output / "latest.svg").write_text(svg(series_of(run)), "utf-8")


async def _main(form: Form, folder: Path, say: Say) -> tuple[Run, dict[str, str]]:
    # Ctrl-C cancels the task by itself.
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await benchmark(form, folder, say)


@click.command()
@click.option("--full", "whole", is_flag=True, help="More rounds, and tables of millions of rows: under 20 minutes.")
@click.option("--minutes", type=click.FloatRange(min=1), help="End by then with what has been measured.")
@click.option("--output", type=click.Path(path_type=Path), default=ROOT / "docs" / "benchmarks", help="Where to write.")
def main(*, whole: bool, minutes: float | None, output: Path) -> None:
    """Put the service beside its limits and a peer of the usual make."""
    started = time.monotonic()

    def say(words: str) -> None:
        click.echo(f"{time.monotonic() - started:7.1f} s  {words}")

    form = full() if whole else quick()
    if minutes is not None:
        form = replace(form, limit_seconds=minutes * 60)
    try:
        with durable_folder() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            run, facts = runner.run(_main(form, folder, say))
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("stopped; nothing was written")
        sys.exit(130)
    except (BenchmarkError, ConfigError, EmbeddedPostgresError, OSError) as error:
        raise click.ClickException(str(error)) from None
    command = f"make bench{'-full' if whole else ''}" + (f' ARGS="--minutes {minutes:g}"' if minutes else "")
    write(run, {"date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "command": f"`{command}`", **facts}, output)
    say(f"done; written to {output}\n")
    click.echo("\n".join([*report.target_table(run), "", *report.notes(run)]))
    if failed := report.failures(run):
        raise click.ClickException("some answers were wrong, so the figures mean nothing:\n" + "\n".join(failed))


if __name__ == "__main__":
    main()
