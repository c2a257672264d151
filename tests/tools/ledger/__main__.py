"""Command line of the ledger: `python -m tests.tools.ledger`."""

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import uvloop

from tests.serving.process import REPOSITORY
from tests.tools.ledger.faults import FAULTS
from tests.tools.ledger.faults.fault import Fault
from tests.tools.ledger.history import History
from tests.tools.ledger.infrastructure import UnavailableError, run_infrastructure
from tests.tools.ledger.report import report
from tests.tools.ledger.runner import RunResult, run_plan
from tests.tools.ledger.schedule import Step, plan


@click.command()
@click.option("--seed", type=int, help="Replay the plan of this seed. Default: a random seed, which is printed.")
@click.option("--minutes", type=float, default=1.5, show_default=True, help="Target duration of the run.")
@click.option(
    "--long", "thorough", is_flag=True, help="Use the default time limits and longer faults, and repeat all faults."
)
@click.option("--faults", help="Inject only these faults, separated by commas.")
@click.option("--list", "listing", is_flag=True, help="List the faults and exit.")
@click.option("--tree", type=Path, default=REPOSITORY, help="Source tree of the service under test.")
@click.option("--output", type=Path, default=Path("build/ledger"), help="Folder for the history and the service's log.")
def main(
    *, seed: int | None, minutes: float, thorough: bool, faults: str | None, listing: bool, tree: Path, output: Path
) -> None:
    """Put a load on the service, inject faults one after another, and compare the answers with the database.

    Exit code 0: no violations; 1: at least one violation, or a fault needs something this machine lacks.
    """
    chosen = _chosen(faults)
    if listing:
        for name, fault in chosen.items():
            click.echo(f"{name:30} {(fault.inject.__doc__ or '').splitlines()[0]}")
        return
    seed = secrets.randbelow(10**6) if seed is None else seed
    steps = plan(chosen, seed, 60 * minutes, thorough=thorough)
    click.echo(f"seed {seed}: {len(steps)} faults")
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    try:
        result = uvloop.run(_run(steps, output, tree, seed, thorough=thorough))
    except UnavailableError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"\n{report(result, coloured=sys.stdout.isatty() and not os.environ.get('NO_COLOR'))}")
    click.echo(f"history and log: {output}; repeat with --seed {seed}")
    sys.exit(0 if result.passed else 1)


def _chosen(names: str | None) -> dict[str, Fault]:
    if names is None:
        return FAULTS
    wanted = names.split(",")
    unknown = [name for name in wanted if name not in FAULTS]
    if unknown:
        raise click.BadParameter(f"unknown faults: {', '.join(unknown)}; --list prints the known ones")
    return {name: FAULTS[name] for name in wanted}


async def _run(steps: Sequence[Step], output: Path, tree: Path, seed: int, *, thorough: bool) -> RunResult:

    with tempfile.TemporaryDirectory(prefix="ledger-") as folder, History(output / "history.jsonl") as history:
        async with run_infrastructure(Path(folder), history, tree, thorough=thorough) as infrastructure:
            return await run_plan(steps, infrastructure, output, seed, click.echo)


if __name__ == "__main__":
    main()
