"""`python -m tests.tools.ledger`: break things under load, and see whether every promise is kept."""

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
from tests.tools.ledger.backdrop import UnavailableError, standing
from tests.tools.ledger.faults import FAULTS
from tests.tools.ledger.faults.kinds import Fault
from tests.tools.ledger.history import History
from tests.tools.ledger.report import report
from tests.tools.ledger.running import Result, play
from tests.tools.ledger.schedule import Step, plan


@click.command()
@click.option("--seed", type=int, help="Replay the plan of this seed; a new one is made and told otherwise.")
@click.option("--minutes", type=float, default=1.5, show_default=True, help="How long to break things.")
@click.option("--long", "thorough", is_flag=True, help="The shipped time limits, longer faults, round after round.")
@click.option("--faults", help="Only these, separated by commas.")
@click.option("--list", "listing", is_flag=True, help="Tell which faults there are, and end.")
@click.option("--tree", type=Path, default=REPOSITORY, help="The source tree whose service is broken.")
@click.option("--output", type=Path, default=Path("build/ledger"), help="Where history and log are left.")
def main(
    *, seed: int | None, minutes: float, thorough: bool, faults: str | None, listing: bool, tree: Path, output: Path
) -> None:
    """Put a load on the service, break things one after another, and judge what clients were told by the table."""
    chosen = _chosen(faults)
    if listing:
        for name, fault in chosen.items():
            click.echo(f"{name:30} {(fault.act.__doc__ or '').splitlines()[0]}")
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
    click.echo(f"history and log: {output}; again with --seed {seed}")
    sys.exit(0 if result.faultless else 1)


def _chosen(names: str | None) -> dict[str, Fault]:
    if names is None:
        return FAULTS
    wanted = names.split(",")
    unknown = [name for name in wanted if name not in FAULTS]
    if unknown:
        raise click.BadParameter(f"there is no {', '.join(unknown)}; --list tells which there are")
    return {name: FAULTS[name] for name in wanted}


async def _run(steps: Sequence[Step], output: Path, tree: Path, seed: int, *, thorough: bool) -> Result:

    with tempfile.TemporaryDirectory(prefix="ledger-") as folder, History(output / "history.jsonl") as history:
        async with standing(Path(folder), history, tree, thorough=thorough) as backdrop:
            return await play(steps, backdrop, output, seed, click.echo)


if __name__ == "__main__":
    main()
