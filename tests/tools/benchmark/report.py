"""Format a run as Markdown tables that are also aligned for a terminal."""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence

from tests.tools.benchmark.explanation import EXPLANATION
from tests.tools.benchmark.figures import Spread
from tests.tools.benchmark.plan import (
    BARE,
    BATCHES,
    ECHO,
    GO,
    LARGE,
    PEAK,
    PEER,
    PGBENCH,
    SERVICE,
    SMALL,
    STANDARD,
    UNBATCHED,
    Callers,
    Size,
)
from tests.tools.benchmark.runner import Measurement, Run
from tests.tools.benchmark.targets import comparisons, select, verdicts

CONTESTANTS = (SERVICE, UNBATCHED, ECHO, PGBENCH, PEER, GO, BARE, *BATCHES)
COSTS = {
    "own_us": "CPU of its processes, µs",
    "postgres_us": "CPU of PostgreSQL, µs",
    "generator_us": "CPU of the load generator, µs",
    "wal_bytes": "WAL, bytes",
    "writes": "transactions that write",
    "log_lines": "log lines",
}

# Above this, contestants with more processes get a larger share of the CPU, since the kernel schedules by process.
MAX_FOREIGN_CORES = 0.25

Rows = list[list[str]]
Group = tuple[Callers, Size, int]


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table: first column left-aligned, others right-aligned."""
    cells = [list(headings), *map(list, rows)]
    widths = [max(*map(_width, column), 3) for column in zip(*cells, strict=True)]
    lines = [
        "| "
        + " | ".join(
            _fit(cell, width, right=place > 0) for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (width + 1) + ("-" if place == 0 else ":") for place, width in enumerate(widths)) + "|"
    return [lines[0], rule, *lines[1:]]


def _width(text: str) -> int:
    return sum(not unicodedata.combining(character) for character in text)


def _fit(cell: str, width: int, *, right: bool) -> str:
    gap = " " * (width - _width(cell))
    return gap + cell if right else cell + gap


def number(value: float) -> str:
    """Format a number with three significant digits, or all digits before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(found: Spread | None) -> str:
    """Format median, lowest and highest; "-" if not measured."""
    return "-" if found is None else f"{number(found.median)} [{number(found.low)} … {number(found.high)}]"


def target_table(run: Run) -> list[str]:
    """Return the targets and the results."""
    rows = [
        [
            one.measure,
            f"{one.relation} {one.target:g}{one.unit}",
            spread(one.found) + (one.unit if one.found else ""),
            one.verdict_text,
        ]
        for one in verdicts(run)
    ]
    rows += [[f"for information: {text}", "", spread(found), ""] for text, found in comparisons(run).items()]
    return table(["measure", "target", "median [lowest … highest]", ""], rows)


def document(run: Run, facts: dict[str, str]) -> str:
    """Return the whole report."""
    lines = ["# Benchmark", "", f"What `make {'bench-full' if run.plan.name == 'full' else 'bench'}` found.", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines += [f"- {note}" for note in notes(run)]
    lines += ["", "![Requests a second over connections](latest.svg)", "", "## Targets", "", *target_table(run), ""]
    for group in _groups(run):
        lines += _group_section(run, *group)
    lines += [*_memory_section(run), *_transactions_section(run), *EXPLANATION]
    return "\n".join(lines) + "\n"


def notes(run: Run) -> Iterator[str]:
    """Yield notes that qualify the figures."""
    foreign = Spread.of(one.foreign_cores for one in run.measurements if one.foreign_cores is not None)
    if foreign is not None:
        warning = ": too much, so the figures are unreliable" if foreign.median > MAX_FOREIGN_CORES else ""
        yield f"CPU used by other programs during the run: {spread(foreign)} cores{warning}"
    if run.cut_short:
        yield "the time limit was reached before everything was measured"
    pgbench = [one for one in run.measurements if one.contestant == PGBENCH]
    for had, wanted in sorted({(one.outcome.connections, one.scenario.connections) for one in pgbench}):
        if had != wanted:
            yield f"pgbench had {had} connections where the others had {wanted}: max_connections allows no more"
    for failure in failures(run):
        yield f"FAILED: {failure}"


def failures(run: Run) -> list[str]:
    """Return all wrong answers; with any of these the figures are invalid."""
    return [
        f"{one.contestant}, {one.scenario}: {failure}, {count} times"
        for one in run.measurements
        for failure, count in one.failures.items()
    ]


def _groups(run: Run) -> list[Group]:
    found = {(one.scenario.callers, one.size, len(one.scenario.sizes)) for one in run.measurements}
    return sorted(found, key=lambda group: (group[2], group[0], group[1].requirements))


def _group_section(run: Run, callers: Callers, size: Size, sizes: int) -> list[str]:
    compared = (
        {SMALL: ", beside the full tables", LARGE: ", beside the empty tables"}.get(size, "") if sizes > 1 else ""
    )
    title = f"## {callers.title()} tokens, {size.requirements:,} requirements, {size.sessions:,} sessions{compared}"
    turns = {
        (name, count): select(run, name, count, callers, size, sizes) for name in CONTESTANTS for count in _counts(run)
    }
    names = [name for name in CONTESTANTS if any(turns[name, count] for count in _counts(run))]
    figures: dict[str, Callable[[Measurement], float | None]] = {
        "requests/s": lambda one: one.outcome.rate,
        "p50, ms": lambda one: one.outcome.p50 and one.outcome.p50 * 1000,
        "p99, ms": lambda one: one.outcome.p99 and one.outcome.p99 * 1000,
    }
    headings = ["connections", *map(str, _counts(run))]
    lines = [title, ""]
    for heading, figure in figures.items():
        rows = [[name, *(_cell(turns[name, count], figure) for count in _counts(run))] for name in names]
        lines += [*table([heading, *headings[1:]], rows), ""]
    return [
        *lines,
        "Median cost of a request:",
        "",
        *table(["", *headings[1:]], _cost_rows(run, turns, names)),
        "",
    ]


def _counts(run: Run) -> list[int]:
    return sorted({one.scenario.connections for one in run.measurements})


def _cell(turns: Sequence[Measurement], figure: Callable[[Measurement], float | None]) -> str:
    return spread(Spread.of(value for one in turns if (value := figure(one)) is not None))


def _cost_rows(run: Run, turns: dict[tuple[str, int], list[Measurement]], names: Sequence[str]) -> Rows:
    rows = []
    for name in names:
        for cost, text in COSTS.items():
            found = [
                Spread.of(one.costs[cost] for one in turns[name, count] if cost in one.costs) for count in _counts(run)
            ]
            if any(one is not None and one.high > 0 for one in found):
                rows.append([f"{name}: {text}", *("-" if one is None else number(one.median) for one in found)])
        statements = [_statements(run, turns[name, count]) for count in _counts(run)]
        if any(one is not None for one in statements):
            rows.append([f"{name}: statements", *("-" if one is None else number(one) for one in statements)])
    return rows


def _statements(run: Run, turns: Sequence[Measurement]) -> float | None:
    """Return the statements a request, counted over all rounds together."""
    return next((run.statements.get((one.contestant, one.size, one.scenario)) for one in turns), None)


def _memory_section(run: Run) -> list[str]:
    counts = sorted({count for _, count in run.memory})
    rows = []
    for name in CONTESTANTS:
        found = [run.memory.get((name, count), []) for count in counts]
        peak = max((one.peak for one in run.memory.get((name, PEAK), ())), default=None)
        if any(found):
            largest = (number(max(one.rss for one in workers)) if workers else "-" for workers in found)
            rows.append([name, *largest, "-" if peak is None else number(peak)])
    title = "## Memory of the largest worker after as many connections, MiB"
    headings = ["", *map(str, counts), f"peak until {PEAK}"]
    return [title, "", *table(headings, rows), ""] if rows else []


def _transactions_section(run: Run) -> list[str]:
    counted = [[name, number(count)] for name, count in run.transactions.items()]
    title = f"## Transactions a request at {STANDARD} connections, those that only read included"
    return [title, "", *table(["", "transactions"], counted), ""] if counted else []
