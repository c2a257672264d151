"""What is measured: the quick form and the full one."""

from dataclasses import dataclass
from typing import Literal

Callers = Literal["application", "session"]

SERVICE, UNBATCHED, ECHO, PGBENCH = "service", "service, unbatched", "aiohttp echo", "pgbench"
PEER, GO, BARE = "FastAPI + asyncpg", "Go + pgx", "the bare statement"

CONNECTIONS = (1, 8, 32, 128, 512)
USUAL = 32  # connections at which the targets are set
CROWD = 512  # connections under which memory is


@dataclass(frozen=True, slots=True)
class Size:
    """How full a database is when the benchmark begins."""

    name: str
    requirements: int
    sessions: int


SMALL = Size("small", 0, 1_000)
LARGE = Size("large", 5_000_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load, put on several contestants in turn. `sizes` are compared with each other where there are two."""

    connections: int
    callers: Callers
    contestants: tuple[str, ...]
    sizes: tuple[Size, ...]
    rounds: int
    seconds: float

    def __str__(self) -> str:
        sizes = " and ".join(size.name for size in self.sizes)
        return f"{self.connections} connections, {self.callers} tokens, {sizes} tables"


@dataclass(frozen=True, slots=True)
class Form:
    """All of a run. `limit_seconds` ends it early: what has been measured until then is told."""

    name: str
    scenarios: tuple[Scenario, ...]
    warm_up_seconds: float
    limit_seconds: float
    counted: tuple[str, ...]  # whose statements are counted, which takes a pause of ten seconds each

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The databases that it needs."""
        return tuple(dict.fromkeys(size for scenario in self.scenarios for size in scenario.sizes))

    @property
    def contestants(self) -> dict[str, tuple[Size, ...]]:
        """Who takes part, and in which databases."""
        found: dict[str, dict[Size, None]] = {}
        for scenario in self.scenarios:
            for name in scenario.contestants:
                found.setdefault(name, {}).update(dict.fromkeys(scenario.sizes))
        return {name: tuple(sizes) for name, sizes in found.items()}


def _usual(rounds: int, seconds: float) -> Scenario:
    taking_part = (SERVICE, ECHO, PGBENCH, PEER, GO, UNBATCHED)
    return Scenario(USUAL, "application", taking_part, (SMALL,), rounds, seconds)


def _lone(rounds: int, seconds: float, *peers: str) -> Scenario:
    return Scenario(1, "application", (SERVICE, UNBATCHED, ECHO, PGBENCH, *peers, BARE), (SMALL,), rounds, seconds)


def _any(connections: int, callers: Callers, rounds: int, seconds: float, *peers: str) -> Scenario:
    return Scenario(connections, callers, (SERVICE, ECHO, PGBENCH, *peers), (SMALL,), rounds, seconds)


def quick() -> Form:
    """The form that tells in under two minutes what a change did; what matters most comes first."""
    sessions = Scenario(USUAL, "session", (SERVICE, PGBENCH, PEER), (SMALL,), 2, 0.8)
    others = (_any(count, "application", 2, 0.6, PEER) for count in (CROWD, 128, 8))
    return Form("quick", (_usual(3, 0.8), _lone(3, 0.8), sessions, *others), 0.4, 94, ())


def full() -> Form:
    """The form whose figures are published, in under twenty minutes; what matters most comes first."""
    others = [count for count in CONNECTIONS if count != USUAL]
    kinds: tuple[Callers, ...] = ("application", "session")
    scenarios = [_usual(5, 2.0), _lone(3, 2.0, PEER, GO), _any(USUAL, "session", 5, 2.0, PEER, GO)]
    scenarios += [_sizes(USUAL, kind, 5) for kind in kinds]
    scenarios += [_any(count, "application", 3, 2.0, PEER, GO) for count in others if count != 1]
    scenarios += [_any(count, "session", 3, 2.0, PEER, GO) for count in others]
    scenarios += [_sizes(count, kind, 3) for kind in kinds for count in others]
    return Form("full", tuple(scenarios), 1.0, 1140, (SERVICE, PEER))


def _sizes(connections: int, callers: Callers, rounds: int) -> Scenario:
    return Scenario(connections, callers, (SERVICE, PGBENCH), (SMALL, LARGE), rounds, 2.0)


def trial() -> Form:
    """The form that shows that everything runs: in a few seconds, unless the machine is busy or Go new to it."""
    taking_part = (SERVICE, ECHO, PGBENCH, PEER, GO, UNBATCHED, BARE)
    return Form("trial", (Scenario(2, "session", taking_part, (SMALL,), 1, 0.3),), 0.1, 180, ())
