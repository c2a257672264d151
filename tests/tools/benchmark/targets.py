"""The targets, as ratios within one run, and whether the run meets them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.tools.benchmark.figures import Spread, ratios
from tests.tools.benchmark.plan import (
    BARE,
    COPY,
    ECHO,
    FEW,
    GO,
    HUNDREDS,
    LARGE,
    MANY,
    PEAK,
    PEER,
    PGBENCH,
    SERVICE,
    SMALL,
    STANDARD,
    THOUSANDS,
    UNBATCHED,
    Callers,
    Size,
)
from tests.tools.benchmark.runner import Measurement, Run


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and the result; `found` is None if this run did not measure it."""

    measure: str
    relation: Literal["≥", "≤"]
    target: float
    found: Spread | None
    unit: str = ""

    @property
    def verdict_text(self) -> str:
        """Whether the median meets the target."""
        if self.found is None:
            return "not measured"
        met = self.found.median >= self.target if self.relation == "≥" else self.found.median <= self.target
        return "met" if met else "MISSED"


def rates(found: Iterable[Measurement]) -> list[float]:
    """Return the answers per second of each measurement."""
    return [one.outcome.rate for one in found]


def medians(found: Iterable[Measurement]) -> list[float]:
    """Return the median latencies in seconds; for pgbench the mean, since it reports no median."""
    return [one.outcome.p50 for one in found if one.outcome.p50 is not None]


def select(
    run: Run,
    name: str,
    connections: int = STANDARD,
    callers: Callers = "application",
    size: Size = SMALL,
    sizes: int = 1,
) -> list[Measurement]:
    """Return the measurements of one contestant under one load, by round. `sizes`: number of compared databases."""
    return [
        one
        for one in run.measurements
        if (one.contestant, one.size, one.scenario.connections, one.scenario.callers, len(one.scenario.sizes))
        == (name, size, connections, callers, sizes)
    ]


def verdicts(run: Run) -> list[Verdict]:
    """Return the verdict on every target."""

    def standard(name: str) -> list[float]:
        return rates(select(run, name))

    def at(connections: int, name: str) -> Spread | None:
        return ratios(rates(select(run, SERVICE, connections)), rates(select(run, name, connections)))

    tails = [one.outcome.p99 / one.outcome.p50 for one in select(run, SERVICE) if one.outcome.p99 and one.outcome.p50]
    return [
        Verdict(f"requests/s at {STANDARD} connections ÷ {PGBENCH}", "≥", 0.8, at(STANDARD, PGBENCH)),
        Verdict(f"requests/s at {STANDARD} connections ÷ {PEER}", "≥", 5, at(STANDARD, PEER)),
        Verdict(f"requests/s at {STANDARD} connections ÷ {GO}", "≥", 2.2, at(STANDARD, GO)),
        Verdict(f"requests/s at {STANDARD} connections ÷ {ECHO}", "≥", 0.3, at(STANDARD, ECHO)),
        Verdict(f"requests/s at {MANY} connections ÷ {PGBENCH}", "≥", 1, at(MANY, PGBENCH)),
        Verdict(f"requests/s at {FEW} connections ÷ {GO}", "≥", 1.2, at(FEW, GO)),
        Verdict(f"a lone client's latency ÷ {GO}", "≤", 1.1, ratios(_single(run, SERVICE), _single(run, GO))),
        Verdict(
            f"a lone client's latency ÷ {UNBATCHED}",
            "≤",
            1.1,
            ratios(_single(run, SERVICE), _single(run, UNBATCHED)),
        ),
        Verdict(
            f"rows/s of batches of 100 over 8 connections ÷ {PGBENCH} at {STANDARD}",
            "≥",
            5,
            ratios(standard(HUNDREDS), standard(PGBENCH)),
        ),
        Verdict(
            f"rows/s of batches of 1,000 over one connection ÷ {COPY}",
            "≥",
            0.5,
            ratios(standard(THOUSANDS), standard(COPY)),
        ),
        Verdict(f"p99 ÷ p50 at {STANDARD} connections", "≤", 3, Spread.of(tails)),
        *(Verdict(f"full tables ÷ empty, {kind} tokens", "≥", 0.9, _full_to_empty(run, kind)) for kind in _KINDS),
        Verdict(f"memory of a worker after {PEAK} connections", "≤", 120, _peak(run), " MiB"),
    ]


_KINDS: Sequence[Callers] = ("application", "session")


def _single(run: Run, name: str) -> list[float]:
    return medians(select(run, name, connections=1))


def _full_to_empty(run: Run, callers: Callers) -> Spread | None:
    of: Callable[[Size], list[float]] = lambda size: rates(select(run, SERVICE, callers=callers, size=size, sizes=2))  # noqa: E731
    return ratios(of(LARGE), of(SMALL))


def _peak(run: Run) -> Spread | None:
    return Spread.of(memory.peak for memory in run.memory.get((SERVICE, PEAK), ()))


def comparisons(run: Run) -> dict[str, Spread | None]:
    """Return ratios without a target, for information."""
    batched, alone = rates(select(run, SERVICE)), rates(select(run, UNBATCHED))
    single, bare = _single(run, SERVICE), _single(run, BARE)
    without_http = [one - other for one, other in zip(single, _single(run, ECHO), strict=False)]
    return {
        f"requests/s at {STANDARD} connections ÷ {UNBATCHED}": ratios(batched, alone),
        f"a lone client's latency, HTTP and all, ÷ {BARE}": ratios(single, bare),
        f"a lone client's latency less the echo's ÷ {BARE}": ratios(without_http, bare),
    }
