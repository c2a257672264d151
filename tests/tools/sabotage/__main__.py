"""Command line of the mutation test: `python -m tests.tools.sabotage [NAME…]`."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import click

from tests.tools.sabotage.bugs import Bug, load_bugs
from tests.tools.sabotage.report import table, uncaught
from tests.tools.sabotage.trial import run_unmodified, run_with_bug

# The tests mostly wait, so two trials at a time do not slow each other down much.
CONCURRENT_TRIALS = 2


def select_bugs(names: Sequence[str]) -> list[Bug]:
    """Return the bugs with these names, or all bugs."""
    bugs = load_bugs()
    unknown = set(names) - {bug.name for bug in bugs}
    if unknown:
        raise click.BadParameter(f"no such bug: {', '.join(sorted(unknown))}")
    return [bug for bug in bugs if not names or bug.name in names]


@click.command(help="Plant all bugs or those named, and check that each is caught by the tests listed for it.")
@click.argument("names", nargs=-1)
@click.option("--verbose", is_flag=True, help="Print how the tests failed.")
def main(names: Sequence[str], *, verbose: bool) -> None:
    """Exit with 1 if a bug is not caught or a test fails without a bug."""
    bugs = select_bugs(names)
    tests = sorted({test for bug in bugs for test in bug.tests})
    unmodified = run_unmodified(tests)
    if not unmodified.passed:
        sys.exit(f"Tests fail without a planted bug:\n{unmodified.reason}")
    click.echo(f"All listed tests pass without a planted bug, in {unmodified.seconds:.0f} s.\n")
    with ThreadPoolExecutor(CONCURRENT_TRIALS) as executor:
        verdicts = dict(zip(bugs, executor.map(run_with_bug, bugs), strict=True))
    click.echo(table(verdicts))
    if verbose:
        click.echo("\n".join(f"{bug.name}:\n{verdict.reason}" for bug, verdict in verdicts.items()))
    if lines := uncaught(verdicts):
        sys.exit("\n".join(lines))


if __name__ == "__main__":
    main()
