"""Playing a plan: calm, a fault, recovery, rest, judgement; again and again."""

import asyncio
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from tests.tools.ledger.backdrop import Backdrop, Stage
from tests.tools.ledger.checker import check
from tests.tools.ledger.leaks import Use, remaining
from tests.tools.ledger.load import Load, load
from tests.tools.ledger.outcomes import Outcome
from tests.tools.ledger.rest import come_to_rest
from tests.tools.ledger.scene import Scene
from tests.tools.ledger.schedule import Step
from tests.tools.ledger.service import Service, running

Say = Callable[[str], None]

OUTCOMES: tuple[Outcome, ...] = ("ok", "fail", "unknown", "violation")

WINDOW_SECONDS = 0.5
RECOVERY_SECONDS = 30.0
WARM_UP_SECONDS = 1.0
LONGEST_CALM_SECONDS = 10.0


@dataclass
class Row:
    """What came of one step: how many outcomes of each kind, and unknown ones at the most; what was broken.

    `recovery_seconds` is None where the rate of successes never came back to half of what it was.
    """

    name: str
    bound: int
    counts: Counter[Outcome] = field(default_factory=Counter)
    recovery_seconds: float | None = None
    broken: list[str] = field(default_factory=list)


@dataclass
class Result:
    """All rows; what each stage used before and after; and what is wrong with the run as a whole."""

    rows: list[Row] = field(default_factory=list)
    uses: list[tuple[Stage, Use, Use]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0  # under load

    @property
    def faultless(self) -> bool:
        """Whether every promise was kept."""
        return not self.broken and not any(row.broken for row in self.rows)

    @property
    def writes(self) -> int:
        """How many requests were written down."""
        return sum(sum(row.counts.values()) for row in self.rows)


async def play(steps: Sequence[Step], backdrop: Backdrop, folder: Path, seed: int, say: Say) -> Result:
    """The result of a plan; the service's log is in `folder`."""
    result = Result()
    for stage, group in groupby(steps, key=lambda step: step.fault.stage):
        say(f"--- the service, {stage}")
        service = Service(folder, backdrop.environ(stage), backdrop.tree)
        async with running(service):
            async with load(service.url, backdrop.population, backdrop.history, seed=seed) as made:
                scene = Scene(backdrop, service, made)
                before = await _warmed_up(scene)
                for step in group:
                    result.rows.append(await _play_step(step, scene, result))
                    say(told(result.rows[-1]))
            after, leaks = await remaining(scene, before)
        result.uses.append((stage, before, after))
        result.broken += [f"leaked, {stage}: {leak}" for leak in leaks]
    result.broken += map(str, await check(backdrop.history, backdrop.postgres.url))
    return result


def told(row: Row) -> str:
    """One line for a row, as soon as there is one."""
    counts = ", ".join(f"{row.counts[outcome]} {outcome}" for outcome in OUTCOMES)
    recovery = "did not recover" if row.recovery_seconds is None else f"recovered in {row.recovery_seconds:.1f} s"
    return "\n".join([f"{row.name}: {counts}, {recovery}", *(f"    BROKEN {text}" for text in row.broken[:10])])


async def _warmed_up(scene: Scene) -> Use:
    await asyncio.sleep(WARM_UP_SECONDS)
    await come_to_rest(scene)
    use = await Use.of(scene)
    scene.load.resume()
    return use


async def _calm(step: Step, load: Load, counted: int) -> None:
    """Let the load run, for longer on a slow machine: what is judged is to be worth it."""
    deadline = load.history.now + LONGEST_CALM_SECONDS
    await asyncio.sleep(step.calm_seconds)
    while load.counts.total() - counted < step.requests and load.history.now < deadline:
        await asyncio.sleep(0.05)


async def _play_step(step: Step, scene: Scene, result: Result) -> Row:
    fault, history, thorough = step.fault, scene.history, scene.thorough
    row = Row(fault.name, fault.bound(thorough=thorough))
    position, counted, began = history.position, scene.load.counts.copy(), history.now
    scene.random.seed(step.seed)
    await _calm(step, scene.load, counted.total())
    rate = _rate(scene.load.oks, began, history.now)
    try:
        with history.bracket(fault.name):
            async with fault.bringing_about(scene):
                await asyncio.sleep(fault.lasts(thorough=thorough))
        row.recovery_seconds = await _recovery(scene.load, history.now, rate)
        result.seconds += history.now - began
        await come_to_rest(scene)
    except Exception as error:  # noqa: BLE001 - whatever broke beyond what was planned is told, and the run goes on
        row.broken.append(f"{type(error).__name__}: {error}")
        await scene.load.pause()
    row.counts = scene.load.counts - counted
    row.broken += map(str, await check(history, scene.postgres.url, since=position))
    row.broken += _excesses(row)
    scene.load.resume()
    return row


def _excesses(row: Row) -> list[str]:
    broken = []
    if row.counts["unknown"] > row.bound:
        broken.append(f"{row.counts['unknown']} unknown outcomes, at most {row.bound}")
    if row.recovery_seconds is None:
        broken.append(f"no recovery within {RECOVERY_SECONDS:.0f} s")
    return broken


async def _recovery(load: Load, since: float, rate: float) -> float | None:
    """How many seconds after `since` successes came again at half the rate of before."""
    while load.history.now - since < RECOVERY_SECONDS:
        after = load.oks[bisect_left(load.oks, since) :]
        enough = max(1, math.ceil(rate * WINDOW_SECONDS / 2))
        for first, last in zip(after, after[enough - 1 :], strict=False):
            if last - first <= WINDOW_SECONDS:
                return first - since
        await asyncio.sleep(0.05)
    return None


def _rate(oks: Sequence[float], since: float, until: float) -> float:
    return (bisect_left(oks, until) - bisect_left(oks, since)) / (until - since)
