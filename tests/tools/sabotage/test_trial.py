"""A bug counts as caught only if its tests fail, not if they cannot run."""

import pytest

from tests.tools.sabotage.bugs import Bug, Edit
from tests.tools.sabotage.report import table, uncaught
from tests.tools.sabotage.trial import run_unmodified, run_with_bug

FILE = "service/domain/views.py"
TEST = "tests/unit/test_views.py::test_timestamps_have_six_digits_and_a_z"
BROKEN = ('timespec="microseconds"', 'timespec="seconds"')


def planted(find: str, replace: str, *tests: str) -> Bug:
    """Return a bug in the views module."""
    return Bug("planted", "A planted bug", tests or (TEST,), (Edit(FILE, find, replace),))


def test_a_bug_that_is_caught() -> None:
    """A failing test catches a bug; the table lists it."""
    bug = planted(*BROKEN)
    verdict = run_with_bug(bug)
    assert verdict.passed, verdict.reason
    (_, row, _, count) = table({bug: verdict}).splitlines()
    assert row.split("  ")[:2] == ["A planted bug", TEST.removeprefix("tests/")]
    assert count == "1 of 1 bugs caught"
    assert uncaught({bug: verdict}) == []


@pytest.mark.parametrize(
    ("find", "replace", "reason"),
    [
        ("# All rows that", "# Rows that", "4 of 4 listed tests did not catch it"),
        ("from functools import lru_cache", "from functools import nothing", "the tests could not run"),
        ("text that does not occur", "", "service/domain/views.py contains this text 0 times, not once"),
        ("None", "", "times, not once"),
    ],
)
def test_a_bug_that_is_not(find: str, replace: str, reason: str) -> None:
    """Passing tests, a tree that cannot be imported and an edit that does not match are reported as not caught."""
    bug = planted(find, replace)
    verdict = run_with_bug(bug)
    assert not verdict.passed
    assert reason in verdict.reason
    assert "NONE" in table({bug: verdict})
    assert uncaught({bug: verdict}) == [f"NOT CAUGHT: planted: {verdict.reason}"]


def test_each_listed_test_must_catch_the_bug() -> None:
    """A failing test does not make up for a listed test that passes."""
    other = "tests/unit/test_requirements.py::test_fresh_uids_differ"
    verdict = run_with_bug(planted(*BROKEN, TEST, other))
    assert (verdict.passed, verdict.reason) == (False, "1 of 5 listed tests did not catch it")


def test_a_tree_without_a_bug() -> None:
    """The listed tests must pass without a planted bug."""
    assert run_unmodified([TEST]).passed
    assert not run_unmodified(["tests/unit/test_views.py::test_that_is_not_there"]).passed
