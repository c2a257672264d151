"""Running tests in a copy of the repository, and what their ends say."""

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
from tests.tools.sabotage.bugs import Bug, DriftError

# What a copy does without: what is not of the repository, and what tools keep.
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "dist")
PATIENCE_SECONDS, FAREWELL_SECONDS = 120.0, 20.0
ALL_PASSED, SOME_FAILED = 0, 1

# Without what none of these tests needs, and takes as long to load as all the rest.
PYTEST = (sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider", "-p", "no:schemathesis")


@dataclass(frozen=True)
class Verdict:
    """Whether all went as it has to, how long it took, and why not where it did not."""

    fine: bool
    seconds: float
    reason: str = ""


@contextlib.contextmanager
def copied(repository: Path = REPOSITORY) -> Iterator[Path]:
    """A copy of the repository, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="sabotage-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(repository, tree, ignore=LEFT_OUT)
        yield tree


def unharmed(tests: Sequence[str]) -> Verdict:
    """Whether all of these pass in a copy in which nothing is planted."""
    with copied() as tree:
        began = time.monotonic()
        code, _, output = _pytest(tree, tests, PATIENCE_SECONDS * 3)
    return Verdict(code == ALL_PASSED, time.monotonic() - began, output)


def caught(bug: Bug) -> Verdict:
    """Whether each test named for `bug` fails with it planted.

    That something else goes wrong proves nothing: a tree that cannot be imported breaks every test.
    """
    with copied() as tree:
        began = time.monotonic()
        try:
            for edit in bug.edits:
                edit.make(tree)
        except DriftError as error:
            return Verdict(fine=False, seconds=0, reason=str(error))
        code, ends, output = _pytest(tree, bug.tests, PATIENCE_SECONDS)
        if code == SOME_FAILED and "error" in ends:
            # A busy machine did not start a server in time, say: that deserves another attempt.
            code, ends, output = _pytest(tree, bug.tests, PATIENCE_SECONDS)
        seconds = time.monotonic() - began
    if code not in (ALL_PASSED, SOME_FAILED) or "error" in ends:
        return Verdict(fine=False, seconds=seconds, reason=f"the tests could not be run:\n{output}")
    missed = ends.count("passed")
    reason = f"{missed} of {len(ends)} tests named for it did not notice" if missed else output
    return Verdict(not missed, seconds, reason)


def _pytest(tree: Path, tests: Sequence[str], patience_seconds: float) -> tuple[int, list[str], str]:
    """The exit code, how each test ended (`passed`, `failed`, `error`), and what was printed."""
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
    output = _output(process, patience_seconds)
    return process.returncode, _ends(report), output


def _environment(tree: Path) -> dict[str, str]:
    """Ours, but for what would lead out of the tree, or to a database that two runs at once would share."""
    ours = environment({"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"})
    ours.pop("TEST_DATABASE_URL", None)
    return ours


def _output(process: subprocess.Popen[str], patience_seconds: float) -> str:
    try:
        return process.communicate(timeout=patience_seconds)[0]
    except subprocess.TimeoutExpired:
        # As Ctrl-C does: what the tests have started is stopped.
        process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=FAREWELL_SECONDS)[0]
    except subprocess.TimeoutExpired:
        process.kill()
    return process.communicate()[0]


def _ends(report: Path) -> list[str]:
    if not report.is_file():
        return ["error"]
    return [_end(case) for case in ET.parse(report).iter("testcase")]  # noqa: S314 - pytest's own


def _end(case: ET.Element) -> str:
    if case.find("error") is not None:
        return "error"
    return "failed" if case.find("failure") is not None else "passed"
