"""Run tests in a copy of the repository and interpret their outcomes."""

import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.serving.process import REPOSITORY, environment
from tests.tools.sabotage.bugs import Bug, EditMismatchError

# Not copied: caches, build results and hidden files.
EXCLUDED = shutil.ignore_patterns(".*", "__pycache__", "build", "dist")
TIMEOUT_SECONDS, STOP_TIMEOUT_SECONDS = 120.0, 20.0
ALL_PASSED, SOME_FAILED = 0, 1

# The schemathesis plugin is not needed, and doubles the start-up time.
PYTEST = (sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider", "-p", "no:schemathesis")


@dataclass(frozen=True)
class Verdict:
    """Whether a trial passed, its duration, and the reason if it failed."""

    passed: bool
    seconds: float
    reason: str = ""


@contextlib.contextmanager
def repository_copy(repository: Path = REPOSITORY) -> Iterator[Path]:
    """Copy the repository to a temporary folder, and delete it on exit."""
    with tempfile.TemporaryDirectory(prefix="sabotage-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(repository, tree, ignore=EXCLUDED)
        yield tree


def run_unmodified(tests: Sequence[str]) -> Verdict:
    """Run the tests in a copy without a planted bug; pass if all tests pass."""
    with repository_copy() as tree:
        began = time.monotonic()
        code, _, output = _pytest(tree, tests, TIMEOUT_SECONDS * 5)
    return Verdict(code == ALL_PASSED, time.monotonic() - began, output)


def run_with_bug(bug: Bug) -> Verdict:
    """Plant `bug` in a copy and run its tests; pass if each of them fails.

    A test error does not count: a tree that cannot be imported breaks every test.
    """
    with repository_copy() as tree:
        began = time.monotonic()
        try:
            for edit in bug.edits:
                edit.make(tree)
        except EditMismatchError as error:
            return Verdict(passed=False, seconds=0, reason=str(error))
        code, outcomes, output = _pytest(tree, bug.tests, TIMEOUT_SECONDS)
        if code == SOME_FAILED and "error" in outcomes:
            # Retry once: on a busy machine a server may not start in time.
            code, outcomes, output = _pytest(tree, bug.tests, TIMEOUT_SECONDS)
        seconds = time.monotonic() - began
    if code not in (ALL_PASSED, SOME_FAILED) or "error" in outcomes:
        return Verdict(passed=False, seconds=seconds, reason=f"the tests could not run:\n{output}")
    missed = outcomes.count("passed")
    reason = f"{missed} of {len(outcomes)} listed tests did not catch it" if missed else output
    return Verdict(not missed, seconds, reason)


def _pytest(tree: Path, tests: Sequence[str], timeout_seconds: float) -> tuple[int, list[str], str]:
    """Run pytest; return its exit code, the outcome of each test (`passed`, `failed`, `error`), and its output."""
    report = tree.parent / "report.xml"
    report.unlink(missing_ok=True)
    process = subprocess.Popen(  # noqa: S603 - our own tests
        [*PYTEST, f"--junit-xml={report}", *tests],
        cwd=tree,
        env=_environment(tree),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output = _output(process, timeout_seconds)
    return process.returncode, _outcomes(report), output


def _environment(tree: Path) -> dict[str, str]:
    """Return our environment without paths out of the tree, and without a database shared by parallel trials."""
    ours = environment({"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"})
    ours.pop("TEST_DATABASE_URL", None)
    return ours


def _output(process: subprocess.Popen[str], timeout_seconds: float) -> str:
    try:
        return process.communicate(timeout=timeout_seconds)[0]
    except subprocess.TimeoutExpired:
        # Like Ctrl-C, so that the tests stop the processes they started.
        process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=STOP_TIMEOUT_SECONDS)[0]
    except subprocess.TimeoutExpired:
        process.kill()
    return process.communicate()[0]


def _outcomes(report: Path) -> list[str]:
    if not report.is_file():
        return ["error"]
    return [_outcome(case) for case in ET.parse(report).iter("testcase")]  # noqa: S314 - written by pytest


def _outcome(case: ET.Element) -> str:
    if case.find("error") is not None:
        return "error"
    return "failed" if case.find("failure") is not None else "passed"
