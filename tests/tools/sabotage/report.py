"""Format the table of planted bugs and the tests that caught them."""

from collections.abc import Iterator, Mapping

from tests.tools.sabotage.bugs import Bug
from tests.tools.sabotage.trial import Verdict


def table(verdicts: Mapping[Bug, Verdict]) -> str:
    """Return a table of bugs and the tests that caught them; a parametrized test is listed once."""
    rows = [("bug", "caught by", "seconds")]
    for bug, verdict in verdicts.items():
        names = dict.fromkeys(test.partition("[")[0] for test in bug.tests) if verdict.passed else ["NONE"]
        for number, name in enumerate(names):
            title, seconds = ("", "") if number else (bug.title, f"{verdict.seconds:.1f}")
            rows.append((title, name.removeprefix("tests/"), seconds))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{title:<{widths[0]}}  {name:<{widths[1]}}  {seconds:>{widths[2]}}" for title, name, seconds in rows]
    number = sum(verdict.passed for verdict in verdicts.values())
    return "\n".join([*lines, "", f"{number} of {len(verdicts)} bugs caught"])


def uncaught(verdicts: Mapping[Bug, Verdict]) -> list[str]:
    """Return a line with the reason for each bug that was not caught or could not be planted."""
    return list(_reasons(verdicts))


def _reasons(verdicts: Mapping[Bug, Verdict]) -> Iterator[str]:
    for bug, verdict in verdicts.items():
        if not verdict.passed:
            yield f"NOT CAUGHT: {bug.name}: {verdict.reason}"
