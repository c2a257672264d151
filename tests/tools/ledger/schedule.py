"""Choose the order of faults from a seed."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.tools.ledger.faults.fault import Fault
from tests.tools.ledger.infrastructure import Variant

RECOVERY_SECONDS = 1.0  # estimate for each fault, to fit a run into its time
BASELINE_SECONDS = 1.0
LONG_BASELINE_SECONDS = 3.0

# Minimum number of requests of a whole run, on a machine of any speed.
REQUESTS = 20_000

# The service is restarted for each variant, once a round.
VARIANTS: Sequence[Variant] = ("plain", "with e-mails", "8 days ahead", "8 days behind")


@dataclass(frozen=True, slots=True)
class Step:
    """A baseline with a minimum duration and number of requests, then a fault. `seed` is for the fault's choices."""

    fault: Fault
    baseline_seconds: float
    requests: int
    seed: int


def plan(faults: Mapping[str, Fault], seed: int, seconds: float, *, thorough: bool) -> list[Step]:
    """Return faults that fill `seconds`, in an order that depends only on the seed.

    A short run has each fault at most once, as many as fit; a long run repeats all of them.
    """
    choose = random.Random(seed)  # noqa: S311 - to be replayed
    chosen = [fault for _, fault in sorted(faults.items()) if thorough or fault.seconds is not None]
    rounds = _rounds(chosen, choose, seconds) if thorough else [_fitting(chosen, choose, seconds)]
    length = sum(map(len, rounds))
    return [
        Step(fault, _baseline_seconds(thorough=thorough), math.ceil(REQUESTS / length), choose.getrandbits(32))
        for round_ in rounds
        for fault in _by_variant(round_)
    ]


def _fitting(faults: Sequence[Fault], choose: random.Random, seconds: float) -> list[Fault]:
    fitting: list[Fault] = []
    for fault in choose.sample(faults, len(faults)):
        seconds -= _estimated_seconds(fault, thorough=False)
        if seconds >= 0 or not fitting:
            fitting.append(fault)
    return fitting


def _rounds(faults: Sequence[Fault], choose: random.Random, seconds: float) -> list[list[Fault]]:
    one = sum(_estimated_seconds(fault, thorough=True) for fault in faults)
    return [choose.sample(faults, len(faults)) for _ in range(max(1, round(seconds / one)))]


def _estimated_seconds(fault: Fault, *, thorough: bool) -> float:
    return fault.duration_seconds(thorough=thorough) + RECOVERY_SECONDS + _baseline_seconds(thorough=thorough)


def _baseline_seconds(*, thorough: bool) -> float:
    return LONG_BASELINE_SECONDS if thorough else BASELINE_SECONDS


def _by_variant(faults: Sequence[Fault]) -> list[Fault]:
    return [fault for variant in VARIANTS for fault in faults if fault.variant == variant]
