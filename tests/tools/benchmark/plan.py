"""What is measured: the quick plan and the full one."""

from dataclasses import dataclass
from typing import Literal

Callers = Literal["application", "session"]

SERVICE, UNBATCHED, ECHO, PGBENCH = "service", "service, unbatched", "aiohttp echo", "pgbench"
PEER, GO, BARE = "FastAPI + asyncpg", "Go + pgx", "the bare statement"
# Their rates are rows a second. They have their own numbers of connections: see BATCHES.
HUNDREDS, THOUSANDS, COPY = "service, 100 rows a call", "service, 1,000 rows a call", "COPY, 1,000 rows a time"

# Contestants that write many rows at a time: connections, and rows at a time.
BATCHES = {HUNDREDS: (8, 100), THOUSANDS: (1, 1_000), COPY: (1, 1_000)}
STANDARD = 32  # connections for most targets
FEW, MANY = 8, 128  # connections for the others
PEAK = 512  # connections for the memory target
CONNECTIONS = (1, FEW, STANDARD, MANY, PEAK)


@dataclass(frozen=True, slots=True)
class Size:
    """Size of the tables when the benchmark starts."""

    name: str
    requirements: int
    sessions: int


SMALL = Size("small", 0, 1_000)
LARGE = Size("large", 5_000_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load for several contestants in turn. Two `sizes` are compared with each other."""

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
class Plan:
    """A whole run. At `limit_seconds` it stops and reports what has been measured."""

    name: str
    scenarios: tuple[Scenario, ...]
    warm_up_seconds: float
    limit_seconds: float
    counted: tuple[str, ...]  # contestants whose transactions are counted, which takes over ten seconds each

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The databases needed."""
        return tuple(dict.fromkeys(size for scenario in self.scenarios for size in scenario.sizes))

    @property
    def contestants(self) -> dict[str, tuple[Size, ...]]:
        """The contestants, and the databases each one needs."""
        found: dict[str, dict[Size, None]] = {}
        for scenario in self.scenarios:
            for name in scenario.contestants:
                found.setdefault(name, {}).update(dict.fromkeys(scenario.sizes))
        return {name: tuple(sizes) for name, sizes in found.items()}


def _target_scenario(rounds: int, seconds: float) -> Scenario:
    contestants = (SERVICE, ECHO, PGBENCH, PEER, GO, UNBATCHED, *BATCHES)
    return Scenario(STANDARD, "application", contestants, (SMALL,), rounds, seconds)


def _single(rounds: int, seconds: float, *peers: str) -> Scenario:
    return Scenario(1, "application", (SERVICE, UNBATCHED, ECHO, PGBENCH, *peers, BARE), (SMALL,), rounds, seconds)


def _scenario(connections: int, callers: Callers, rounds: int, seconds: float, *peers: str) -> Scenario:
    return Scenario(connections, callers, (SERVICE, ECHO, PGBENCH, *peers), (SMALL,), rounds, seconds)


def quick() -> Plan:
    """Return the plan that shows the effect of a change in under two minutes; most important scenarios first."""
    sessions = Scenario(STANDARD, "session", (SERVICE, PGBENCH, PEER), (SMALL,), 2, 0.8)
    others = (_scenario(count, "application", 2, 0.5, PEER) for count in (PEAK, MANY))
    few = _scenario(FEW, "application", 2, 0.5, PEER, GO)
    return Plan("quick", (_target_scenario(3, 0.8), _single(3, 0.8, GO), few, sessions, *others), 0.3, 100, ())


def full() -> Plan:
    """Return the plan for published figures, in under twenty minutes; most important scenarios first."""
    others = [count for count in CONNECTIONS if count != STANDARD]
    token_kinds: tuple[Callers, ...] = ("application", "session")
    scenarios = [
        _target_scenario(5, 2.0),
        _single(3, 2.0, PEER, GO),
        _scenario(STANDARD, "session", 5, 2.0, PEER, GO),
    ]
    scenarios += [_sizes(STANDARD, kind, 5) for kind in token_kinds]
    scenarios += [_scenario(count, "application", 3, 2.0, PEER, GO) for count in others if count != 1]
    scenarios += [_scenario(count, "session", 3, 2.0, PEER, GO) for count in others]
    scenarios += [_sizes(count, kind, 3) for kind in token_kinds for count in others]
    return Plan("full", tuple(scenarios), 1.0, 1140, (SERVICE, PEER))


def _sizes(connections: int, callers: Callers, rounds: int) -> Scenario:
    return Scenario(connections, callers, (SERVICE, PGBENCH), (SMALL, LARGE), rounds, 2.0)


def smoke() -> Plan:
    """Return the plan that only checks that everything runs, in a few seconds, or more for the first Go build."""
    contestants = (SERVICE, ECHO, PGBENCH, PEER, GO, UNBATCHED, BARE, *BATCHES)
    return Plan("smoke", (Scenario(2, "session", contestants, (SMALL,), 1, 0.3),), 0.1, 180, ())
