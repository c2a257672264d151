"""A run as tables in Markdown, aligned for a terminal as well."""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence

from tests.benchmark.figures import Spread
from tests.benchmark.plan import (
    ECHO,
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
from tests.benchmark.running import Measurement, Run
from tests.benchmark.targets import lone_without_http, select, verdicts

CONTESTANTS = (SERVICE, ECHO, PGBENCH, PEER, UNBATCHED)
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
    rows.append([f"a lone client's latency less the echo's ÷ {UNBATCHED}", "", spread(lone_without_http(run)), ""])
    return table(["measure", "target", "median [lowest … highest]", ""], rows)


def document(run: Run, facts: dict[str, str]) -> str:
    """The whole report."""
    lines = ["# Benchmark", "", f"What `make {'bench-full' if run.form.name == 'full' else 'bench'}` found.", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines += [f"- {note}" for note in notes(run)]
    lines += ["", "![Requests a second over connections](latest.svg)", "", "## Targets", "", *target_table(run), ""]
    for group in _groups(run):
        lines += _group_section(run, *group)
    lines += [*_memory_section(run), *_READING]
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
    return rows


def _memory_section(run: Run) -> list[str]:
    rows = [
        [name, *(number(max(getattr(one, kind) for one in found)) for kind in ("rss", "pss", "peak"))]
        for name, found in run.memory.items()
        if found
    ]
    memory = [
        "## Memory of the largest worker after 512 connections, MiB",
        "",
        *table(["", "RSS", "PSS", "peak RSS"], rows),
        "",
    ]
    counted = [[name, number(count)] for name, count in run.statements.items()]
    words = f"## Transactions a request at {USUAL} connections, those that only read included"
    return [*(memory if rows else []), *([words, "", *table(["", "transactions"], counted), ""] if counted else [])]


_READING = f"""## Reading it

All contestants work on the same durable PostgreSQL, on the same machine as the load generator, in turns: one round of
each, then the next round. Ratios are taken round by round, so a machine that slows down slows both sides; their median
counts, with the lowest and the highest beside it. Rates and latencies are medians of rounds as well.

- **{SERVICE}** is `serve` as it is shipped, with its log lines, which are read and thrown away.
- **{ECHO}** parses the body with orjson and sends it back, in as many processes: no database, no log.
- **{PGBENCH}** runs the same insert, its references held, one row a transaction, prepared, with the service's planner
  settings. It looks up no token and speaks no HTTP. Its connections are new in each round: its rate begins when they
  are warm, its costs do not. Its p50 is the mean, all that it tells.
- **{PEER}** makes the same checks one query after another in a transaction, under uvicorn with uvloop
  and httptools, as many workers, and uvicorn's own access log.
- **{UNBATCHED}** is the service's look-up and its insert awaited over its pool, without HTTP.

Every answer's status was checked, and that every answer has its row. Rows a commit: the reciprocal of "transactions
that write". A Go peer is no part of this: none has been written.""".split("\n")
