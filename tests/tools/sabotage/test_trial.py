"""What counts as caught: that a test failed, and nothing else that may go wrong."""

import pytest

from tests.tools.sabotage.bugs import Bug, Edit
from tests.tools.sabotage.report import table, unnoticed
from tests.tools.sabotage.trial import caught, unharmed

FILE = "service/domain/views.py"
TEST = "tests/unit/test_views.py::test_timestamps_have_six_digits_and_a_z"
BROKEN = ('timespec="microseconds"', 'timespec="seconds"')


def planted(find: str, replace: str, *tests: str) -> Bug:
    """A bug in what callers are shown."""
    return Bug("planted", "It is planted", tests or (TEST,), (Edit(FILE, find, replace),))


def test_a_bug_that_is_caught() -> None:
    """A test that fails is what catches a bug; the table names it."""
    bug = planted(*BROKEN)
    verdict = caught(bug)
    assert verdict.fine, verdict.reason
    (_, row, _, count) = table({bug: verdict}).splitlines()
    assert row.split("  ")[:2] == ["It is planted", TEST.removeprefix("tests/")]
    assert count == "1 of 1 bugs caught"
    assert unnoticed({bug: verdict}) == []


@pytest.mark.parametrize(
    ("find", "replace", "reason"),
    [
        ("# The records that", "# Records that", "4 of 4 tests named for it did not notice"),
        ("from functools import lru_cache", "from functools import nothing", "the tests could not be run"),
        ("what nobody ever wrote", "", "service/domain/views.py holds this 0 times, not once"),
        ("None", "", "times, not once"),
    ],
)
def test_a_bug_that_is_not(find: str, replace: str, reason: str) -> None:
    """Tests that pass, a tree that cannot be imported and an edit that does not apply prove nothing, and are told."""
    bug = planted(find, replace)
    verdict = caught(bug)
    assert not verdict.fine
    assert reason in verdict.reason
    assert "NOTHING" in table({bug: verdict})
    assert unnoticed({bug: verdict}) == [f"NOT CAUGHT: planted: {verdict.reason}"]


def test_each_named_test_has_to_notice() -> None:
    """One test that fails does not make up for another that was named and passes."""
    other = "tests/unit/test_requirements.py::test_fresh_uids_differ"
    verdict = caught(planted(*BROKEN, TEST, other))
    assert (verdict.fine, verdict.reason) == (False, "1 of 5 tests named for it did not notice")


def test_a_tree_without_a_bug() -> None:
    """Nothing is planted in what the tests have to pass in first."""
    assert unharmed([TEST]).fine
    assert not unharmed(["tests/unit/test_views.py::test_that_is_not_there"]).fine
