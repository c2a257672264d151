"""Which fault comes when: the same for the same seed."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.tools.ledger.backdrop import Stage
from tests.tools.ledger.faults.kinds import Fault

RECOVERY_SECONDS = 1.0  # reckoned for each fault, to fit a run into its time
CALM_SECONDS = 1.0
LONG_CALM_SECONDS = 3.0

# What all of a run records at the least, on a machine of any speed.
REQUESTS = 20_000

# What is not a fault of the plain service takes a start of its own, once a round.
STAGES: Sequence[Stage] = ("plain", "with e-mails", "8 days ahead", "8 days behind")


@dataclass(frozen=True, slots=True)
class Step:
    """Some time and some requests with nothing broken, and then a fault; `seed` is for whatever it chooses."""

    fault: Fault
    calm_seconds: float
    requests: int
    seed: int


def plan(faults: Mapping[str, Fault], seed: int, seconds: float, *, thorough: bool) -> list[Step]:
    """Faults that fill the time, in an order of the seed's.

    In a short run each comes once, as many as there is time for; in a long one they come in round after round.
    """
    choose = random.Random(seed)  # noqa: S311 - to be replayed
    chosen = [fault for _, fault in sorted(faults.items()) if thorough or fault.seconds is not None]
    rounds = _rounds(chosen, choose, seconds) if thorough else [_fitting(chosen, choose, seconds)]
    length = sum(map(len, rounds))
    return [
        Step(
            fault, LONG_CALM_SECONDS if thorough else CALM_SECONDS, math.ceil(REQUESTS / length), choose.getrandbits(32)
        )
        for round_ in rounds
        for fault in _by_stage(round_)
    ]


def _fitting(faults: Sequence[Fault], choose: random.Random, seconds: float) -> list[Fault]:
    fitting: list[Fault] = []
    for fault in choose.sample(faults, len(faults)):
        seconds -= _reckoned(fault, thorough=False)
        if seconds >= 0 or not fitting:
            fitting.append(fault)
    return fitting


def _rounds(faults: Sequence[Fault], choose: random.Random, seconds: float) -> list[list[Fault]]:
    one = sum(_reckoned(fault, thorough=True) for fault in faults)
    return [choose.sample(faults, len(faults)) for _ in range(max(1, round(seconds / one)))]


def _reckoned(fault: Fault, *, thorough: bool) -> float:
    return fault.lasts(thorough=thorough) + RECOVERY_SECONDS + (LONG_CALM_SECONDS if thorough else CALM_SECONDS)


def _by_stage(faults: Sequence[Fault]) -> list[Fault]:
    return [fault for stage in STAGES for fault in faults if fault.stage == stage]
