"""Format the result of a run as a table."""

from collections import Counter
from collections.abc import Iterator

from tests.tools.ledger.leaks import ResourceUsage
from tests.tools.ledger.outcomes import Outcome
from tests.tools.ledger.runner import RunResult, StepResult

HEADINGS = ("fault", "ok", "fail", "unknown", "max unknown", "violations", "recovery")
MAX_LISTED = 20


def report(result: RunResult, *, coloured: bool) -> str:
    """Return a line for each fault, the resource usage, and the verdict."""
    table = [*_table(result.rows), _follower_line(result)]
    return "\n".join([*table, "", *_usage_lines(result), "", *_verdict(result, coloured=coloured)])


def _table(rows: list[StepResult]) -> Iterator[str]:
    totals: Counter[Outcome] = sum((row.counts for row in rows), Counter())
    unknowns = sum(row.max_unknowns for row in rows)
    lines = [
        HEADINGS,
        *map(_row, rows),
        _cells("all", totals, unknowns, sum(len(row.violations) for row in rows), ""),
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for name, *figures in lines:
        aligned = (figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True))
        yield "  ".join([name.ljust(widths[0]), *aligned]).rstrip()


def _follower_line(result: RunResult) -> str:
    replay = result.replay
    return f"follower of the change feed: {replay.events:,} events, {replay.gaps} gaps, {replay.doubles} doubles"


def _row(row: StepResult) -> tuple[str, ...]:
    return _cells(row.name, row.counts, row.max_unknowns, len(row.violations), _seconds(row.recovery_seconds))


def _cells(name: str, counts: Counter[Outcome], max_unknowns: int, violations: int, recovery: str) -> tuple[str, ...]:
    figures = (counts["ok"], counts["fail"], counts["unknown"], max_unknowns, violations)
    return (name, *(f"{figure:,}" for figure in figures), recovery)


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.2f} s"


def _usage_lines(result: RunResult) -> Iterator[str]:
    for variant, before, after in result.usage:
        yield f"resource usage, {variant}: {_format_usage(before)}; at the end {_format_usage(after)}"


def _format_usage(use: ResourceUsage) -> str:
    in_flight = "unknown" if use.in_flight is None else f"{use.in_flight:.0f}"
    return (
        f"{use.handles} file handles and {use.mebibytes} MiB in the largest worker, "
        f"{use.connections} connections to PostgreSQL, {in_flight} requests in flight"
    )


def _verdict(result: RunResult, *, coloured: bool) -> Iterator[str]:
    violations = [*(f"{row.name}: {text}" for row in result.rows for text in row.violations), *result.violations]
    yield from (f"VIOLATION {text[:400]}" for text in violations[:MAX_LISTED])
    kinds = len({row.name for row in result.rows})
    summary = f"{result.requests:,} requests under {kinds} kinds of fault, in {result.seconds:.0f} s of load"
    verdict = "no violations" if result.passed else f"{len(violations)} violations"
    colour = "32" if result.passed else "31"
    yield f"{summary}: \033[1;{colour}m{verdict}\033[0m" if coloured else f"{summary}: {verdict}"
