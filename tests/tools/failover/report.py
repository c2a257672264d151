"""Format the results of a run."""

from collections.abc import Sequence

from tests.tools.failover.reader import FAILED, REPLICA
from tests.tools.failover.rounds import DOUBLED, LOST, Result

HEAD = (
    *("round", "replication", "acknowledged", "unknown", "failed", "lost", "doubled", "other", "gap"),
    *("reads", "by replica", "failed reads", "events", "gaps", "doubles"),
)


def table(results: Sequence[Result]) -> str:
    """Return the results as a Markdown table."""
    rows = [HEAD, *map(_row, results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    head, *body = (" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    rule = " | ".join("-" * width for width in widths)
    return "\n".join(f"| {line} |" for line in (head, rule, *body))


def _row(result: Result) -> tuple[str, ...]:
    lost, doubled = result.count(LOST), result.count(DOUBLED)
    counts = (
        *(result.outcomes[name] for name in ("ok", "unknown", "fail")),
        *(lost, doubled, len(result.violations) - lost - doubled),
    )
    mode = "synchronous" if result.synchronous else "asynchronous"
    reads = (result.reads.total() - result.reads[FAILED], result.reads[REPLICA], result.reads[FAILED])
    told = (*reads, result.replay.events, result.replay.gaps, result.replay.doubles)
    gap = f"{result.gap_seconds:.1f} s"
    return (result.name, mode, *(f"{count:,}" for count in counts), gap, *(f"{count:,}" for count in told))


def failures(results: Sequence[Result]) -> list[str]:
    """Return the reasons why a run failed."""
    found = []
    for result in results:
        if not result.passed and result.synchronous:
            found += [f"{result.name}: {violation}" for violation in result.violations[:10]]
            found += [f"{result.name}: {problem}" for problem in result.problems[:10]]
        elif not result.passed:
            found.append(f"{result.name}: no lost write was detected, so this run proves nothing")
    return found
