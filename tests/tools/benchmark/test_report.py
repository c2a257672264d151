"""The report of a run."""

from xml.etree import ElementTree as ET

import pytest

from tests.tools.benchmark.figures import Spread
from tests.tools.benchmark.load_generator import Outcome
from tests.tools.benchmark.machine import Memory
from tests.tools.benchmark.plan import (
    ECHO,
    GO,
    PEER,
    PGBENCH,
    SERVICE,
    SMALL,
    STANDARD,
    Plan,
    Scenario,
    full,
    quick,
)
from tests.tools.benchmark.plot import svg
from tests.tools.benchmark.report import document, failures, number, spread, table, target_table
from tests.tools.benchmark.runner import Measurement, Run
from tests.tools.benchmark.targets import Verdict, verdicts

SCENARIO = Scenario(STANDARD, "application", (SERVICE, PGBENCH), (SMALL,), 1, 1.0)


def measurement(name: str, rate: float, **costs: float) -> Measurement:
    """Return a round without failures, with a p99 of twice the p50."""
    outcome = Outcome(STANDARD, rate, round(rate), 0.001, 0.002, {}, 0.1)
    return Measurement(SCENARIO, name, SMALL, outcome, costs, 0.0)


@pytest.fixture
def run() -> Run:
    """A run of two contestants and one scenario."""
    found = Run(Plan("quick", (SCENARIO,), 0.0, 1.0, ()), {}, print, 0.0)
    found.measurements += [measurement(SERVICE, 900.0, rows=1.0), measurement(PGBENCH, 1000.0)]
    return found


def test_a_table_is_aligned() -> None:
    """The first column is left-aligned, the others right-aligned, each as wide as its widest cell."""
    assert table(["name", "µs"], [["a", "1"], ["longer", "1,000"]]) == [
        "| name   |    µs |",
        "|--------|------:|",
        "| a      |     1 |",
        "| longer | 1,000 |",
    ]


@pytest.mark.parametrize(("value", "text"), [(0.34567, "0.346"), (2.0, "2"), (99.96, "100"), (12345.6, "12,346")])
def test_numbers_have_three_significant_digits(value: float, text: str) -> None:
    """Three significant digits, or all before the point."""
    assert number(value) == text


def test_a_spread_is_formatted_with_its_range() -> None:
    """A missing spread is a dash."""
    assert spread(Spread(2.0, 1.0, 3.0)) == "2 [1 … 3]"
    assert spread(None) == "-"


@pytest.mark.parametrize(
    ("relation", "median", "verdict_text"),
    [("≥", 0.8, "met"), ("≥", 0.79, "MISSED"), ("≤", 0.8, "met"), ("≤", 0.81, "MISSED")],
)
def test_the_median_meets_the_target_or_misses_it(relation: str, median: float, verdict_text: str) -> None:
    """The lowest and highest rounds do not matter."""
    verdict = Verdict("", relation, 0.8, Spread(median, 0.0, 9.0))  # type: ignore[arg-type]
    assert verdict.verdict_text == verdict_text


def test_only_measured_targets_have_a_verdict(run: Run) -> None:
    """A run with two contestants has verdicts on two targets."""
    text = {one.measure: one.verdict_text for one in verdicts(run) if one.verdict_text != "not measured"}
    assert text == {"requests/s at 32 connections ÷ pgbench": "met", "p99 ÷ p50 at 32 connections": "met"}


def test_a_missing_contestant_is_not_measured(run: Run) -> None:
    """The target of a missing contestant is listed as not measured."""
    row = next(line for line in target_table(run) if GO in line)
    assert "not measured" in row


def test_costs_are_listed_by_number_of_connections(run: Run) -> None:
    """Statements and memory are listed by number of connections."""
    run.statements[SERVICE, SMALL, SCENARIO] = 0.625
    run.memory[SERVICE, STANDARD] = [Memory(61.0, 40.0, 70.0), Memory(62.0, 41.0, 71.0)]
    lines = [line.split("|") for line in document(run, {}).splitlines()]
    rows = {cells[1].strip(): [cell.strip() for cell in cells[2:-1]] for cells in lines if len(cells) > 2}
    assert rows[f"{SERVICE}: statements"] == ["0.625"]
    assert rows[SERVICE] == ["62", "-"]


def test_the_document_holds_targets_figures_and_facts(run: Run) -> None:
    """The report is complete."""
    text = document(run, {"machine": "a small one"})
    assert "- machine: a small one\n" in text
    assert "\n".join(target_table(run)) in text
    assert "| service    |       900 [900 … 900] |" in text
    assert "FAILED" not in text


def test_an_answer_without_its_row_is_a_failure(run: Run) -> None:
    """A contestant that acknowledges unwritten rows is reported as failed."""
    run.measurements.append(measurement(PEER, 100.0, rows=0.9))
    assert failures(run) == [f"{PEER}, {SCENARIO}: rows fewer than answers, 10 times"]


def test_the_plot_is_a_document_with_a_line_for_each() -> None:
    """The SVG has a label and points for each contestant."""
    points = {count: Spread(1000.0, 900.0, 1200.0) for count in (1, 8)}
    tree = ET.fromstring(svg({SERVICE: points, ECHO: points}))  # noqa: S314 - our own
    texts = [element.text for element in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert {SERVICE, ECHO, "1", "8", "1,500"} <= set(texts)
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}circle"))) == 4


@pytest.mark.parametrize(("plan", "minutes"), [(quick(), 2), (full(), 20)])
def test_a_plan_ends_in_time(plan: Plan, minutes: int) -> None:
    """The time limit leaves time for setting up and stopping."""
    assert plan.limit_seconds <= minutes * 60 - 20
