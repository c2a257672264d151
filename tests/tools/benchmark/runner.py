"""Run the scenarios, all contestants in turn in each round, and measure their costs."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from resource import RUSAGE_SELF, getrusage

from tests.tools.benchmark import machine
from tests.tools.benchmark.contestants import Contestant
from tests.tools.benchmark.database import Counters, Log
from tests.tools.benchmark.load_generator import Outcome
from tests.tools.benchmark.plan import STANDARD, Plan, Scenario, Size
from tests.tools.benchmark.service_counters import ServiceCounters, read_service_counters

# PostgreSQL publishes the statistics of an idle connection after up to ten seconds.
SETTLE_SECONDS = 11.0
COUNTED_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """Result of a contestant in one round. `costs` are per request, by name; those not measured are absent."""

    scenario: Scenario
    contestant: str
    size: Size
    outcome: Outcome
    costs: Mapping[str, float]
    foreign_cores: float | None

    @property
    def failures(self) -> dict[str, int]:
        """Number of failures by kind."""
        missing = round(self.costs["rows"] * self.outcome.answers) - self.outcome.answers if "rows" in self.costs else 0
        return self.outcome.failures | ({"rows fewer than answers": -missing} if missing < 0 else {})


@dataclass(frozen=True, slots=True)
class _Usage:
    """Resources used up to one moment."""

    at: float
    own: float | None
    postgres: float | None
    machine: float | None
    harness: float
    lines: int
    counters: Counters | None


async def _measure_usage(contestant: Contestant) -> _Usage:
    target, program = contestant.target, contestant.program
    harness = getrusage(RUSAGE_SELF)
    return _Usage(
        time.perf_counter(),
        machine.cpu_seconds(program.pid if program else None),
        machine.cpu_seconds(target.postmaster if target else None),
        machine.busy_seconds(),
        harness.ru_utime + harness.ru_stime,
        program.lines if program else 0,
        await target.counters() if target else None,
    )


async def measure(contestant: Contestant, scenario: Scenario, size: Size, seconds: float) -> Measurement:
    """Run a contestant once and measure its costs."""
    before = await _measure_usage(contestant)
    outcome = await contestant.run(scenario, seconds)
    after = await _measure_usage(contestant)
    costs = _costs(before, after, outcome)
    return Measurement(scenario, contestant.name, size, outcome, costs, _foreign_cores(before, after, outcome))


def _costs(before: _Usage, after: _Usage, outcome: Outcome) -> dict[str, float]:
    answers = max(outcome.answers, 1)
    costs = {"generator_us": outcome.cpu_seconds * 1e6 / answers, "log_lines": (after.lines - before.lines) / answers}
    if before.own is not None and after.own is not None:
        costs["own_us"] = (after.own - before.own) * 1e6 / answers
    if before.postgres is not None and after.postgres is not None:
        costs["postgres_us"] = (after.postgres - before.postgres) * 1e6 / answers
    if before.counters is not None and after.counters is not None:
        costs["rows"] = (after.counters.rows - before.counters.rows) / answers
        costs["wal_bytes"] = (after.counters.wal_bytes - before.counters.wal_bytes) / answers
        costs["writes"] = (after.counters.writes - before.counters.writes) / answers
    return costs


def _foreign_cores(before: _Usage, after: _Usage, outcome: Outcome) -> float | None:
    """Return the average number of cores used by other programs."""
    if before.machine is None or after.machine is None:
        return None
    known = outcome.cpu_seconds + after.harness - before.harness
    known += (after.own or 0) - (before.own or 0) + (after.postgres or 0) - (before.postgres or 0)
    return max(after.machine - before.machine - known, 0.0) / (after.at - before.at)


class Run:
    """A run of a plan: its measurements and other results."""

    def __init__(self, plan: Plan, found: Mapping[tuple[str, Size], Contestant], log: Log, deadline: float) -> None:
        """`found` are all contestants, `deadline` is on the monotonic clock."""
        self.plan = plan
        self.measurements: list[Measurement] = []
        # By contestant and connections: the memory of each worker after that load.
        self.memory: dict[tuple[str, int], list[machine.Memory]] = {}
        # Statements per request, by the service's own count.
        self.statements: dict[tuple[str, Size, Scenario], float] = {}
        self.transactions: dict[str, float] = {}
        self.cut_short = False
        self._found = found
        self._log = log
        self._deadline = deadline

    async def run_all(self) -> None:
        """Run all scenarios, or as many as there is time for."""
        for name in self.plan.counted:
            await self._count_transactions(name)
        for scenario in self.plan.scenarios:
            if not self.cut_short:
                self._log(f"{scenario}: {scenario.rounds} rounds of {scenario.seconds:g} s each")
                counted = await self._service_counters(scenario)
                await self._run_scenario(scenario)
                self._measure_memory(scenario)
                await self._count_statements(scenario, counted)

    def _contestants_of(self, scenario: Scenario) -> list[tuple[Contestant, Size]]:
        wanted = ((name, size) for name in scenario.contestants for size in scenario.sizes)
        return [(self._found[one], one[1]) for one in wanted if one in self._found]

    async def _run_scenario(self, scenario: Scenario) -> None:
        contestants = self._contestants_of(scenario)
        for target in {id(one.target): one.target for one, _ in contestants if one.target}.values():
            await target.prepare()
        for contestant, _ in contestants:
            if contestant.program is not None:  # the others start anew for each run
                await contestant.run(scenario, self.plan.warm_up_seconds)
        for number in range(1, scenario.rounds + 1):
            if time.monotonic() > self._deadline:
                self.cut_short = True
                self._log(f"  time limit reached after {number - 1} of {scenario.rounds} rounds")
                return
            turns = [await measure(one, scenario, size, scenario.seconds) for one, size in contestants]
            self.measurements += turns
            self._log(f"  {number}: " + "  ".join(f"{_label(turn)} {turn.outcome.rate:,.0f}/s" for turn in turns))

    def _measure_memory(self, scenario: Scenario) -> None:
        for contestant, _ in self._contestants_of(scenario):
            if contestant.program is not None:
                workers = machine.workers(contestant.program.pid)
                found = [memory for pid in workers if (memory := machine.memory(pid))]
                self.memory.setdefault((contestant.name, scenario.connections), []).extend(found)

    async def _service_counters(self, scenario: Scenario) -> dict[tuple[str, Size], ServiceCounters]:
        contestants = [(one, size) for one, size in self._contestants_of(scenario) if one.console is not None]
        found = await asyncio.gather(
            *(read_service_counters(one.console) for one, _ in contestants if one.console is not None)
        )
        return {(one.name, size): counted for (one, size), counted in zip(contestants, found, strict=True)}

    async def _count_statements(self, scenario: Scenario, before: Mapping[tuple[str, Size], ServiceCounters]) -> None:
        for one, after in (await self._service_counters(scenario)).items():
            if requests := after.requests - before[one].requests:
                self.statements[*one, scenario] = (after.statements - before[one].statements) / requests

    async def _count_transactions(self, name: str) -> None:
        size = self.plan.sizes[0]
        contestant = self._found[name, size]
        target = contestant.target
        if target is None:
            return
        self._log(f"counting the transactions of {name}, which takes {COUNTED_SECONDS + SETTLE_SECONDS:g} s")
        before = await target.counters()
        scenario = Scenario(STANDARD, "application", (name,), (size,), 1, COUNTED_SECONDS)
        outcome = await contestant.run(scenario, COUNTED_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        after = await target.counters()
        self.transactions[name] = (after.statements - before.statements) / max(outcome.answers, 1)


def _label(turn: Measurement) -> str:
    return f"{turn.contestant} {turn.size.name}" if len(turn.scenario.sizes) > 1 else turn.contestant
