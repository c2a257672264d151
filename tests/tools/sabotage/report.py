"""The table of what was planted and what caught it."""

from collections.abc import Iterator, Mapping

from tests.tools.sabotage.bugs import Bug
from tests.tools.sabotage.trial import Verdict


def table(verdicts: Mapping[Bug, Verdict]) -> str:
    """Each bug with the tests that caught it, aligned; a test of several cases is told once."""
    rows = [("bug", "caught by", "seconds")]
    for bug, verdict in verdicts.items():
        names = dict.fromkeys(test.partition("[")[0] for test in bug.tests) if verdict.fine else ["NOTHING"]
        for number, name in enumerate(names):
            told, seconds = ("", "") if number else (bug.told, f"{verdict.seconds:.1f}")
            rows.append((told, name.removeprefix("tests/"), seconds))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{told:<{widths[0]}}  {name:<{widths[1]}}  {seconds:>{widths[2]}}" for told, name, seconds in rows]
    number = sum(verdict.fine for verdict in verdicts.values())
    return "\n".join([*lines, "", f"{number} of {len(verdicts)} bugs caught"])


def unnoticed(verdicts: Mapping[Bug, Verdict]) -> list[str]:
    """A line for each bug that was not caught, or could not be planted: why."""
    return list(_reasons(verdicts))


def _reasons(verdicts: Mapping[Bug, Verdict]) -> Iterator[str]:
    for bug, verdict in verdicts.items():
        if not verdict.fine:
            yield f"NOT CAUGHT: {bug.name}: {verdict.reason}"
