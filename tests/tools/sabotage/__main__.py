"""`python -m tests.tools.sabotage [NAME…]`: plants bugs, all or those named, and tells which test caught which."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import click

from tests.tools.sabotage.bugs import Bug, load_bugs
from tests.tools.sabotage.report import table, unnoticed
from tests.tools.sabotage.trial import caught, unharmed

# Most of what a test does is waiting, but not all of it.
AT_ONCE = 2


def chosen(names: Sequence[str]) -> list[Bug]:
    """The bugs of these names, or all."""
    bugs = load_bugs()
    unknown = set(names) - {bug.name for bug in bugs}
    if unknown:
        raise click.BadParameter(f"no such bug: {', '.join(sorted(unknown))}")
    return [bug for bug in bugs if not names or bug.name in names]


@click.command(help="Plant bugs, all or those named, and see each caught by the tests named for it.")
@click.argument("names", nargs=-1)
@click.option("--verbose", is_flag=True, help="Tell how the tests failed.")
def main(names: Sequence[str], *, verbose: bool) -> None:
    """Exit with 1 when a bug is not caught, or a test fails without one."""
    bugs = chosen(names)
    tests = sorted({test for bug in bugs for test in bug.tests})
    clean = unharmed(tests)
    if not clean.fine:
        sys.exit(f"Without any bug planted the tests do not pass:\n{clean.reason}")
    click.echo(f"Without any bug planted the tests named for them pass, in {clean.seconds:.0f} s.\n")
    with ThreadPoolExecutor(AT_ONCE) as planting:
        verdicts = dict(zip(bugs, planting.map(caught, bugs), strict=True))
    click.echo(table(verdicts))
    if verbose:
        click.echo("\n".join(f"{bug.name}:\n{verdict.reason}" for bug, verdict in verdicts.items()))
    if lines := unnoticed(verdicts):
        sys.exit("\n".join(lines))


if __name__ == "__main__":
    main()
