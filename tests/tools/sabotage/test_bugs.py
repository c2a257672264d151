"""The planted bugs match the current code."""

import subprocess
import sys

import pytest

from tests.serving.process import REPOSITORY, environment
from tests.tools.sabotage.bugs import Bug, load_bugs

BUGS = load_bugs()


@pytest.mark.parametrize("bug", BUGS, ids=[bug.name for bug in BUGS])
def test_it_can_be_planted(bug: Bug) -> None:
    """Each text to replace occurs exactly once, and an edited Python file still compiles."""
    for edit in bug.edits:
        text = edit.applied(REPOSITORY)
        if edit.file.endswith(".py"):
            compile(text, edit.file, "exec")


def test_every_named_test_is_there() -> None:
    """Pytest collects each test that must catch a bug."""
    tests = sorted({test for bug in BUGS for test in bug.tests})
    found = subprocess.run(  # noqa: S603 - our own tests
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *tests],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
