"""The result as a table, for people."""

from collections import Counter
from collections.abc import Iterator

from tests.tools.ledger.leaks import Use
from tests.tools.ledger.outcomes import Outcome
from tests.tools.ledger.running import Result, Row

HEADS = ("fault", "ok", "fail", "unknown", "at most", "violations", "recovery")
MOST_TOLD = 20


def report(result: Result, *, coloured: bool) -> str:
    """Every fault, what was left over, and the verdict."""
    return "\n".join([*_table(result.rows), "", *_uses(result), "", *_verdict(result, coloured=coloured)])


def _table(rows: list[Row]) -> Iterator[str]:
    totals: Counter[Outcome] = sum((row.counts for row in rows), Counter())
    unknowns = sum(row.bound for row in rows)
    lines = [
        HEADS,
        *(_cells(row.name, row.counts, row.bound, len(row.broken), _seconds(row.recovery_seconds)) for row in rows),
        _cells("all", totals, unknowns, sum(len(row.broken) for row in rows), ""),
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for name, *figures in lines:
        aligned = (figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True))
        yield "  ".join([name.ljust(widths[0]), *aligned]).rstrip()


def _cells(name: str, counts: Counter[Outcome], bound: int, broken: int, recovery: str) -> tuple[str, ...]:
    figures = (counts["ok"], counts["fail"], counts["unknown"], bound, broken)
    return (name, *(f"{figure:,}" for figure in figures), recovery)


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.2f} s"


def _uses(result: Result) -> Iterator[str]:
    for stage, before, after in result.uses:
        yield f"left over, {stage}: {_use(before)}; at the end {_use(after)}"


def _use(use: Use) -> str:
    in_flight = "unknown" if use.in_flight is None else f"{use.in_flight:.0f}"
    return (
        f"{use.handles} file handles and {use.mebibytes} MiB in a worker at the most, "
        f"{use.connections} connections to PostgreSQL, {in_flight} requests under way"
    )


def _verdict(result: Result, *, coloured: bool) -> Iterator[str]:
    broken = [*(f"{row.name}: {text}" for row in result.rows for text in row.broken), *result.broken]
    yield from (f"BROKEN {text[:400]}" for text in broken[:MOST_TOLD])
    kinds = len({row.name for row in result.rows})
    what = f"{result.writes:,} requests under {kinds} kinds of fault, in {result.seconds:.0f} s of load"
    word = "every promise kept" if result.faultless else f"BROKEN {len(broken)} times"
    colour = "32" if result.faultless else "31"
    yield f"{what}: \033[1;{colour}m{word}\033[0m" if coloured else f"{what}: {word}"
