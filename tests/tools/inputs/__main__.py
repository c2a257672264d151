"""Command line of the fuzzer: `python -m tests.tools.inputs`."""

import sys
import tempfile
from collections import Counter
from itertools import islice
from pathlib import Path
from time import perf_counter

import click
import uvloop

from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from service.embedded_postgres.server import run_embedded
from tests.conftest import FAST, TEMPLATE
from tests.databases import connected, on_database
from tests.tools.inputs.framing_runner import run_framing
from tests.tools.inputs.generator import generate_requests
from tests.tools.inputs.runner import Results, Runner
from tests.tools.inputs.service import MAX_BODY_BYTES, Deployed, deployed

CONNECTIONS = 32

# One request in this many has malformed bytes; the others are valid HTTP with invalid content.
FRAMING_SHARE = 8


async def fuzz(folder: Path, seed: int, requests: int) -> Results:
    """Send all requests, check all answers, and finally check the rows in the table."""
    async with run_embedded(folder / "postgres", settings=FAST) as server:
        async with connected(server.url) as connection:
            await connection.execute(f"CREATE DATABASE {TEMPLATE}")
        async with connected(on_database(server.url, TEMPLATE)) as connection:
            await migrate(connection, load_migrations(resource("sql") / "migrations"))
        async with deployed(server.url, TEMPLATE, folder) as service:
            return await _send_all(service, seed, requests)


async def _send_all(service: Deployed, seed: int, requests: int) -> Results:
    runner = Runner(service.port, service.state, MAX_BODY_BYTES)
    framed = requests // FRAMING_SHARE
    await runner.run(islice(generate_requests(service.state, seed), requests - framed), CONNECTIONS)
    await run_framing(service, seed, framed, CONNECTIONS, runner.results)
    await runner.check_rows(service.connection)
    runner.results.failures += service.unexpected_output()
    return runner.results


def format_table(counts: Counter[tuple[str, str]]) -> str:
    """Return a line for each family and status, and a total."""
    families = list(dict.fromkeys(family for family, _ in counts))
    lines = [f"{'family':<16}{'status':<26}{'answers':>9}"]
    for family in families:
        found = sorted((status, number) for (name, status), number in counts.items() if name == family)
        lines += [f"{family:<16}{status:<26}{number:>9,}" for status, number in found]
    return "\n".join([*lines, f"{'all':<42}{counts.total():>9,}"])


@click.command()
@click.option("--seed", envvar="FUZZ_SEED", default=1, show_default=True, help="Seed of the requests. [env: FUZZ_SEED]")
@click.option(
    "--requests", envvar="FUZZ_REQUESTS", default=100_000, show_default=True, help="How many. [env: FUZZ_REQUESTS]"
)
def main(seed: int, requests: int) -> None:
    """Send generated requests to the service and compare every answer with a model of the contract.

    Exit code 0: all answers were as expected; 1: an answer was wrong, or fewer requests than asked for were answered.
    """
    started = perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        results = uvloop.run(fuzz(Path(folder), seed, requests))
    answered = results.counts.total() - sum(n for (_, status), n in results.counts.items() if status == "no answer")
    click.echo(format_table(results.counts))
    click.echo(f"{perf_counter() - started:.0f} s, FUZZ_SEED={seed}: {len(results.failures)} wrong answers")
    for failure in results.failures:
        click.echo(failure, err=True)
    sys.exit(int(bool(results.failures) or answered < requests))


if __name__ == "__main__":
    main()
