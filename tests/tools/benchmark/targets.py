"""The targets, as ratios within one run, and what this run says of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.tools.benchmark.figures import Spread, ratios
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
from tests.tools.benchmark.running import Measurement, Run


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and what was found; `found` is None where this run did not measure it."""

    measure: str
    relation: Literal["≥", "≤"]
    target: float
    found: Spread | None
    unit: str = ""

    @property
    def word(self) -> str:
        """Whether the median meets the target."""
        if self.found is None:
            return "not measured"
        met = self.found.median >= self.target if self.relation == "≥" else self.found.median <= self.target
        return "met" if met else "MISSED"


def rates(found: Iterable[Measurement]) -> list[float]:
    """The answers a second of each."""
    return [one.outcome.rate for one in found]


def medians(found: Iterable[Measurement]) -> list[float]:
    """The median latency of each, in seconds; for pgbench it is the mean, all that it tells."""
    return [one.outcome.p50 for one in found if one.outcome.p50 is not None]


def select(
    run: Run, name: str, connections: int = USUAL, callers: Callers = "application", size: Size = SMALL, sizes: int = 1
) -> list[Measurement]:
    """What was measured of one contestant under one load, round by round; `sizes` databases were compared."""
    return [
        one
        for one in run.measurements
        if (one.contestant, one.size, one.scenario.connections, one.scenario.callers, len(one.scenario.sizes))
        == (name, size, connections, callers, sizes)
    ]


def verdicts(run: Run) -> list[Verdict]:
    """Every target."""

    def usual(name: str) -> list[float]:
        return rates(select(run, name))

    tails = [one.outcome.p99 / one.outcome.p50 for one in select(run, SERVICE) if one.outcome.p99 and one.outcome.p50]
    return [
        Verdict(f"requests/s at {USUAL} connections ÷ pgbench", "≥", 0.8, ratios(usual(SERVICE), usual(PGBENCH))),
        Verdict(f"requests/s at {USUAL} connections ÷ {PEER}", "≥", 5, ratios(usual(SERVICE), usual(PEER))),
        Verdict(f"requests/s at {USUAL} connections ÷ {GO}", "≥", 2, ratios(usual(SERVICE), usual(GO))),
        Verdict(f"requests/s at {USUAL} connections ÷ {ECHO}", "≥", 0.25, ratios(usual(SERVICE), usual(ECHO))),
        Verdict(f"a lone client's latency ÷ {UNBATCHED}", "≤", 1.1, ratios(_lone(run, SERVICE), _lone(run, UNBATCHED))),
        Verdict(f"p99 ÷ p50 at {USUAL} connections", "≤", 3, Spread.of(tails)),
        *(Verdict(f"full tables ÷ empty, {kind} tokens", "≥", 0.9, _full_to_empty(run, kind)) for kind in _KINDS),
        Verdict(f"memory of a worker after {CROWD} connections", "≤", 120, _peak(run), " MiB"),
    ]


_KINDS: Sequence[Callers] = ("application", "session")


def _lone(run: Run, name: str) -> list[float]:
    return medians(select(run, name, connections=1))


def _full_to_empty(run: Run, callers: Callers) -> Spread | None:
    of: Callable[[Size], list[float]] = lambda size: rates(select(run, SERVICE, callers=callers, size=size, sizes=2))  # noqa: E731
    return ratios(of(LARGE), of(SMALL))


def _peak(run: Run) -> Spread | None:
    return Spread.of(memory.peak for memory in run.memory.get((SERVICE, CROWD), ()))


def comparisons(run: Run) -> dict[str, Spread | None]:
    """What is no target but helps to understand one."""
    batched, alone = rates(select(run, SERVICE)), rates(select(run, UNBATCHED))
    lone, bare = _lone(run, SERVICE), _lone(run, BARE)
    without_http = [one - other for one, other in zip(lone, _lone(run, ECHO), strict=False)]
    return {
        f"requests/s at {USUAL} connections ÷ {UNBATCHED}": ratios(batched, alone),
        f"a lone client's latency, HTTP and all, ÷ {BARE}": ratios(lone, bare),
        f"a lone client's latency less the echo's ÷ {BARE}": ratios(without_http, bare),
    }
