"""Run a plan. For each step: baseline load, fault, recovery, idle, check."""

import asyncio
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from tests.tools.ledger.checker import check
from tests.tools.ledger.follower import Follower, Replay, other_software
from tests.tools.ledger.idle import wait_until_idle
from tests.tools.ledger.infrastructure import Infrastructure, Variant
from tests.tools.ledger.leaks import ResourceUsage, settled_usage
from tests.tools.ledger.load import Load, load
from tests.tools.ledger.outcomes import Outcome
from tests.tools.ledger.schedule import Step
from tests.tools.ledger.service import Service, run_service
from tests.tools.ledger.system import SystemUnderTest

Log = Callable[[str], None]

OUTCOMES: tuple[Outcome, ...] = ("ok", "fail", "unknown", "violation")

WINDOW_SECONDS = 0.5
RECOVERY_SECONDS = 30.0
WARM_UP_SECONDS = 1.0
MAX_BASELINE_SECONDS = 10.0


@dataclass
class StepResult:
    """Result of one step: outcomes by kind, the maximum of unknown ones, and violations.

    `recovery_seconds` is None if the rate of successes never returned to half of the baseline.
    """

    name: str
    max_unknowns: int
    counts: Counter[Outcome] = field(default_factory=Counter)
    recovery_seconds: float | None = None
    violations: list[str] = field(default_factory=list)


@dataclass
class RunResult:
    """Results of all steps; resource usage before and after each variant; violations of the whole run."""

    rows: list[StepResult] = field(default_factory=list)
    usage: list[tuple[Variant, ResourceUsage, ResourceUsage]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0  # under load
    replay: Replay = field(default_factory=Replay)  # of the change feed

    @property
    def passed(self) -> bool:
        """Whether there are no violations."""
        return not self.violations and not any(row.violations for row in self.rows)

    @property
    def requests(self) -> int:
        """Number of requests sent."""
        return sum(sum(row.counts.values()) for row in self.rows)


async def run_plan(
    steps: Sequence[Step], infrastructure: Infrastructure, folder: Path, seed: int, log: Log
) -> RunResult:
    """Run a plan and return its result. The service's log is written to `folder`."""
    callers = infrastructure.population.callers
    follower = Follower(next(caller.token for caller in callers if caller.session_id is None))
    result = RunResult(replay=follower.replay)
    for variant, group in groupby(steps, key=lambda step: step.fault.variant):
        log(f"--- service variant: {variant}")
        service = Service(folder, infrastructure.environ(variant), infrastructure.tree)
        async with run_service(service):
            async with load(service.url, infrastructure.population, infrastructure.history, seed=seed) as made:
                system = SystemUnderTest(infrastructure, service, made)
                before = await _warm_up(system)
                async with follower.following(made), other_software(system):
                    for step in group:
                        result.rows.append(await _run_step(step, system, result))
                        log(format_step(result.rows[-1]))
                await wait_until_idle(system)
                await follower.catch_up(system)
            after, leaks = await settled_usage(system, before)
        result.usage.append((variant, before, after))
        result.violations += [f"leaked, {variant}: {leak}" for leak in leaks]
    result.violations += map(str, await check(infrastructure.history, infrastructure.postgres.url))
    result.violations += [f"follower: {problem}" for problem in follower.replay.problems]
    return result


def format_step(row: StepResult) -> str:
    """Format the result of a step."""
    counts = ", ".join(f"{row.counts[outcome]} {outcome}" for outcome in OUTCOMES)
    recovery = "did not recover" if row.recovery_seconds is None else f"recovered in {row.recovery_seconds:.1f} s"
    return "\n".join([f"{row.name}: {counts}, {recovery}", *(f"    VIOLATION {text}" for text in row.violations[:10])])


async def _warm_up(system: SystemUnderTest) -> ResourceUsage:
    await asyncio.sleep(WARM_UP_SECONDS)
    await wait_until_idle(system)
    usage = await ResourceUsage.of(system)
    system.load.resume()
    return usage


async def _run_baseline(step: Step, load: Load, counted: int) -> None:
    """Run the load without faults, longer on a slow machine, so that enough requests are checked."""
    deadline = load.history.now + MAX_BASELINE_SECONDS
    await asyncio.sleep(step.baseline_seconds)
    while load.counts.total() - counted < step.requests and load.history.now < deadline:
        await asyncio.sleep(0.05)


async def _run_step(step: Step, system: SystemUnderTest, result: RunResult) -> StepResult:
    fault, history, thorough = step.fault, system.history, system.thorough
    row = StepResult(fault.name, fault.max_unknowns(thorough=thorough))
    position, counted, began = history.position, system.load.counts.copy(), history.now
    system.random.seed(step.seed)
    await _run_baseline(step, system.load, counted.total())
    rate = _rate(system.load.success_times, began, history.now)
    try:
        with history.bracket(fault.name):
            async with fault.active(system):
                await asyncio.sleep(fault.duration_seconds(thorough=thorough))
        row.recovery_seconds = await _recovery(system.load, history.now, rate)
        result.seconds += history.now - began
        await wait_until_idle(system)
    except Exception as error:  # noqa: BLE001 - report unexpected errors, and continue with the next step
        row.violations.append(f"{type(error).__name__}: {error}")
        await system.load.pause()
    row.counts = system.load.counts - counted
    row.violations += map(str, await check(history, system.postgres.url, since=position))
    row.violations += _limit_violations(row)
    system.load.resume()
    return row


def _limit_violations(row: StepResult) -> list[str]:
    violations = []
    if row.counts["unknown"] > row.max_unknowns:
        violations.append(f"{row.counts['unknown']} unknown outcomes, at most {row.max_unknowns}")
    if row.recovery_seconds is None:
        violations.append(f"no recovery within {RECOVERY_SECONDS:.0f} s")
    return violations


async def _recovery(load: Load, since: float, rate: float) -> float | None:
    """Return the seconds after `since` until successes returned to half the baseline rate."""
    while load.history.now - since < RECOVERY_SECONDS:
        after = load.success_times[bisect_left(load.success_times, since) :]
        enough = max(1, math.ceil(rate * WINDOW_SECONDS / 2))
        for first, last in zip(after, after[enough - 1 :], strict=False):
            if last - first <= WINDOW_SECONDS:
                return first - since
        await asyncio.sleep(0.05)
    return None


def _rate(success_times: Sequence[float], since: float, until: float) -> float:
    return (bisect_left(success_times, until) - bisect_left(success_times, since)) / (until - since)
