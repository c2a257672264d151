"""Command line of the in-process fault injection: `python -m tests.tools.injection`."""

import sys
from pathlib import Path

import click
import pytest


@click.command()
@click.option("-k", "expression", default="", help="Run only the tests that match this pytest expression.")
def main(expression: str) -> None:
    """Inject every fault into every operation of a request. Exits with pytest's code: 0 if all tests pass."""
    sys.exit(pytest.main([str(Path(__file__).parent), "-q", "-k", expression]))


if __name__ == "__main__":
    main()
