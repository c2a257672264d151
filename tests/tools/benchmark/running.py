"""Playing the scenarios: every contestant in turn, round by round, and what was used meanwhile."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from resource import RUSAGE_SELF, getrusage

from tests.tools.benchmark import machine
from tests.tools.benchmark.contestants import Contestant
from tests.tools.benchmark.database import Counters, Say
from tests.tools.benchmark.load import Outcome
from tests.tools.benchmark.plan import USUAL, Form, Scenario, Size
from tests.tools.benchmark.sent import Sent, sent

# PostgreSQL tells of what an idle connection has done after ten seconds.
SETTLE_SECONDS = 11.0
COUNTED_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """One contestant's turn in one round. `costs` are per request, by name; what could not be measured is absent."""

    scenario: Scenario
    contestant: str
    size: Size
    outcome: Outcome
    costs: Mapping[str, float]
    foreign_cores: float | None

    @property
    def failures(self) -> dict[str, int]:
        """What went wrong, and how often."""
        missing = round(self.costs["rows"] * self.outcome.answers) - self.outcome.answers if "rows" in self.costs else 0
        return self.outcome.failures | ({"rows fewer than answers": -missing} if missing < 0 else {})


@dataclass(frozen=True, slots=True)
class _Used:
    """What had been used at one moment."""

    at: float
    ours: float | None
    postgres: float | None
    machine: float | None
    harness: float
    lines: int
    counters: Counters | None


async def _used(contestant: Contestant) -> _Used:
    target, program = contestant.target, contestant.program
    harness = getrusage(RUSAGE_SELF)
    return _Used(
        time.perf_counter(),
        machine.cpu_seconds(program.pid if program else None),
        machine.cpu_seconds(target.postmaster if target else None),
        machine.busy_seconds(),
        harness.ru_utime + harness.ru_stime,
        program.lines if program else 0,
        await target.counters() if target else None,
    )


async def measure(contestant: Contestant, scenario: Scenario, size: Size, seconds: float) -> Measurement:
    """One turn of a contestant, with what it cost."""
    before = await _used(contestant)
    outcome = await contestant.run(scenario, seconds)
    after = await _used(contestant)
    costs = _costs(before, after, outcome)
    return Measurement(scenario, contestant.name, size, outcome, costs, _foreign_cores(before, after, outcome))


def _costs(before: _Used, after: _Used, outcome: Outcome) -> dict[str, float]:
    answers = max(outcome.answers, 1)
    costs = {"generator_us": outcome.cpu_seconds * 1e6 / answers, "log_lines": (after.lines - before.lines) / answers}
    if before.ours is not None and after.ours is not None:
        costs["ours_us"] = (after.ours - before.ours) * 1e6 / answers
    if before.postgres is not None and after.postgres is not None:
        costs["postgres_us"] = (after.postgres - before.postgres) * 1e6 / answers
    if before.counters is not None and after.counters is not None:
        costs["rows"] = (after.counters.rows - before.counters.rows) / answers
        costs["wal_bytes"] = (after.counters.wal_bytes - before.counters.wal_bytes) / answers
        costs["writes"] = (after.counters.writes - before.counters.writes) / answers
    return costs


def _foreign_cores(before: _Used, after: _Used, outcome: Outcome) -> float | None:
    """How many cores were busy with what is no part of this."""
    if before.machine is None or after.machine is None:
        return None
    known = outcome.cpu_seconds + after.harness - before.harness
    known += (after.ours or 0) - (before.ours or 0) + (after.postgres or 0) - (before.postgres or 0)
    return max(after.machine - before.machine - known, 0.0) / (after.at - before.at)


class Run:
    """A run of a form: its measurements, and what else was found."""

    def __init__(self, form: Form, found: Mapping[tuple[str, Size], Contestant], say: Say, deadline: float) -> None:
        """`found` are all who take part, `deadline` is on the monotonic clock."""
        self.form = form
        self.measurements: list[Measurement] = []
        # By contestant and connections, each worker's at the end of such a load.
        self.memory: dict[tuple[str, int], list[machine.Memory]] = {}
        # A request, by the service's own count.
        self.statements: dict[tuple[str, Size, Scenario], float] = {}
        self.transactions: dict[str, float] = {}
        self.cut_short = False
        self._found = found
        self._say = say
        self._deadline = deadline

    async def play(self) -> None:
        """Measure everything, or what there is time for."""
        for name in self.form.counted:
            await self._count_transactions(name)
        for scenario in self.form.scenarios:
            if not self.cut_short:
                self._say(f"{scenario}: {scenario.rounds} rounds of {scenario.seconds:g} s each")
                counted = await self._sent(scenario)
                await self._play(scenario)
                self._weigh(scenario)
                await self._count_statements(scenario, counted)

    def _taking_part(self, scenario: Scenario) -> list[tuple[Contestant, Size]]:
        wanted = ((name, size) for name in scenario.contestants for size in scenario.sizes)
        return [(self._found[one], one[1]) for one in wanted if one in self._found]

    async def _play(self, scenario: Scenario) -> None:
        taking_part = self._taking_part(scenario)
        for target in {id(one.target): one.target for one, _ in taking_part if one.target}.values():
            await target.prepare()
        for contestant, _ in taking_part:
            if contestant.program is not None:  # the others begin anew with each turn
                await contestant.run(scenario, self.form.warm_up_seconds)
        for number in range(1, scenario.rounds + 1):
            if time.monotonic() > self._deadline:
                self.cut_short = True
                self._say(f"  time is up after {number - 1} of {scenario.rounds} rounds")
                return
            turns = [await measure(one, scenario, size, scenario.seconds) for one, size in taking_part]
            self.measurements += turns
            self._say(f"  {number}: " + "  ".join(f"{_label(turn)} {turn.outcome.rate:,.0f}/s" for turn in turns))

    def _weigh(self, scenario: Scenario) -> None:
        for contestant, _ in self._taking_part(scenario):
            if contestant.program is not None:
                workers = machine.workers(contestant.program.pid)
                found = [memory for pid in workers if (memory := machine.memory(pid))]
                self.memory.setdefault((contestant.name, scenario.connections), []).extend(found)

    async def _sent(self, scenario: Scenario) -> dict[tuple[str, Size], Sent]:
        taking_part = [(one, size) for one, size in self._taking_part(scenario) if one.console is not None]
        found = await asyncio.gather(*(sent(one.console) for one, _ in taking_part if one.console is not None))
        return {(one.name, size): counted for (one, size), counted in zip(taking_part, found, strict=True)}

    async def _count_statements(self, scenario: Scenario, before: Mapping[tuple[str, Size], Sent]) -> None:
        for one, after in (await self._sent(scenario)).items():
            if requests := after.requests - before[one].requests:
                self.statements[*one, scenario] = (after.statements - before[one].statements) / requests

    async def _count_transactions(self, name: str) -> None:
        size = self.form.sizes[0]
        contestant = self._found[name, size]
        target = contestant.target
        if target is None:
            return
        self._say(f"counting the transactions of {name}, which takes {COUNTED_SECONDS + SETTLE_SECONDS:g} s")
        before = await target.counters()
        scenario = Scenario(USUAL, "application", (name,), (size,), 1, COUNTED_SECONDS)
        outcome = await contestant.run(scenario, COUNTED_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        after = await target.counters()
        self.transactions[name] = (after.statements - before.statements) / max(outcome.answers, 1)


def _label(turn: Measurement) -> str:
    return f"{turn.contestant} {turn.size.name}" if len(turn.scenario.sizes) > 1 else turn.contestant
