"""A run as tables in Markdown, aligned for a terminal as well."""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence

from tests.tools.benchmark.figures import Spread
from tests.tools.benchmark.plan import (
    BARE,
    CROWD,
    ECHO,
    GO,
    LARGE,
    PEER,
    PGBENCH,
    SERVICE,
    SMALL,
    UNBATCHED,
    USUAL,
    Callers,
    Size,
)
from tests.tools.benchmark.reading import READING
from tests.tools.benchmark.running import Measurement, Run
from tests.tools.benchmark.targets import comparisons, select, verdicts

CONTESTANTS = (SERVICE, UNBATCHED, ECHO, PGBENCH, PEER, GO, BARE)
COSTS = {
    "ours_us": "CPU of its processes, µs",
    "postgres_us": "CPU of PostgreSQL, µs",
    "generator_us": "CPU of the load generator, µs",
    "wal_bytes": "WAL, bytes",
    "writes": "transactions that write",
    "log_lines": "log lines",
}

# With more, contestants of many processes fare better than those of few: the kernel shares the cores among processes.
MOST_FOREIGN_CORES = 0.25

Rows = list[list[str]]
Group = tuple[Callers, Size, int]


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table, its first column to the left and all others to the right."""
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
    """A figure with as many digits as it is worth."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(found: Spread | None) -> str:
    """Median, lowest and highest."""
    return "-" if found is None else f"{number(found.median)} [{number(found.low)} … {number(found.high)}]"


def target_table(run: Run) -> list[str]:
    """The targets and what was found: the first thing to read."""
    rows = [
        [
            one.measure,
            f"{one.relation} {one.target:g}{one.unit}",
            spread(one.found) + (one.unit if one.found else ""),
            one.word,
        ]
        for one in verdicts(run)
    ]
    rows += [[f"for information: {words}", "", spread(found), ""] for words, found in comparisons(run).items()]
    return table(["measure", "target", "median [lowest … highest]", ""], rows)


def document(run: Run, facts: dict[str, str]) -> str:
    """The whole report."""
    lines = ["# Benchmark", "", f"What `make {'bench-full' if run.form.name == 'full' else 'bench'}` found.", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines += [f"- {note}" for note in notes(run)]
    lines += ["", "![Requests a second over connections](latest.svg)", "", "## Targets", "", *target_table(run), ""]
    for group in _groups(run):
        lines += _group_section(run, *group)
    lines += [*_memory_section(run), *_transactions_section(run), *READING]
    return "\n".join(lines) + "\n"


def notes(run: Run) -> Iterator[str]:
    """What somebody has to know before believing the figures."""
    foreign = Spread.of(one.foreign_cores for one in run.measurements if one.foreign_cores is not None)
    if foreign is not None:
        warning = ": too many, so the figures mean little" if foreign.median > MOST_FOREIGN_CORES else ""
        yield f"busy with other things meanwhile: {spread(foreign)} cores{warning}"
    if run.cut_short:
        yield "time was up before all was measured"
    pgbench = [one for one in run.measurements if one.contestant == PGBENCH]
    for had, wanted in sorted({(one.outcome.connections, one.scenario.connections) for one in pgbench}):
        if had != wanted:
            yield f"pgbench had {had} connections where the others had {wanted}: max_connections allows no more"
    for failure in failures(run):
        yield f"FAILED: {failure}"


def failures(run: Run) -> list[str]:
    """Everything that was not answered as it should have been: with any of these the figures mean nothing."""
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
        "A request costs, at the median:",
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
        for cost, words in COSTS.items():
            found = [
                Spread.of(one.costs[cost] for one in turns[name, count] if cost in one.costs) for count in _counts(run)
            ]
            if any(one is not None and one.high > 0 for one in found):
                rows.append([f"{name}: {words}", *("-" if one is None else number(one.median) for one in found)])
        statements = [_statements(run, turns[name, count]) for count in _counts(run)]
        if any(one is not None for one in statements):
            rows.append([f"{name}: statements", *("-" if one is None else number(one) for one in statements)])
    return rows


def _statements(run: Run, turns: Sequence[Measurement]) -> float | None:
    """Of all rounds together: that is how the service is asked."""
    return next((run.statements.get((one.contestant, one.size, one.scenario)) for one in turns), None)


def _memory_section(run: Run) -> list[str]:
    counts = sorted({count for _, count in run.memory})
    rows = []
    for name in CONTESTANTS:
        found = [run.memory.get((name, count), []) for count in counts]
        peak = max((one.peak for one in run.memory.get((name, CROWD), ())), default=None)
        if any(found):
            largest = (number(max(one.rss for one in workers)) if workers else "-" for workers in found)
            rows.append([name, *largest, "-" if peak is None else number(peak)])
    title = "## Memory of the largest worker after as many connections, MiB"
    headings = ["", *map(str, counts), f"peak until {CROWD}"]
    return [title, "", *table(headings, rows), ""] if rows else []


def _transactions_section(run: Run) -> list[str]:
    counted = [[name, number(count)] for name, count in run.transactions.items()]
    title = f"## Transactions a request at {USUAL} connections, those that only read included"
    return [title, "", *table(["", "transactions"], counted), ""] if counted else []
