"""Which fault comes when: the same for the same seed."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.ledger.backdrop import Stage
from tests.ledger.faults.kinds import Fault

SHORTEST_CALM_SECONDS = 0.7
RECOVERY_SECONDS = 0.8  # reckoned for each fault, to fit a run into its time

# What is not a fault of the plain service takes a start of its own, once a round.
STAGES: Sequence[Stage] = ("plain", "with e-mails", "8 days ahead", "8 days behind")


@dataclass(frozen=True, slots=True)
class Step:
    """Some time in which nothing is broken, and then a fault; `seed` is for whatever it chooses."""

    fault: Fault
    calm_seconds: float
    seed: int


def plan(faults: Mapping[str, Fault], seed: int, seconds: float, *, thorough: bool) -> list[Step]:
    """Faults that fill the time: in a short run each once; in a long one in round after round, each in a new order."""
    choose = random.Random(seed)  # noqa: S311 - to be replayed
    chosen = [fault for _, fault in sorted(faults.items()) if thorough or fault.seconds is not None]
    steps: list[Step] = []
    left = seconds
    while left > 0 and chosen:
        round_ = _in_order(chosen, choose)
        lasting = sum(fault.lasts(thorough=thorough) + RECOVERY_SECONDS for fault in round_)
        calm = 3.0 if thorough else max((seconds - lasting) / len(round_), SHORTEST_CALM_SECONDS)
        steps += [Step(fault, calm, choose.getrandbits(32)) for fault in round_]
        left = left - lasting - calm * len(round_) if thorough else 0
    return steps


def _in_order(faults: Sequence[Fault], choose: random.Random) -> list[Fault]:
    shuffled = choose.sample(faults, len(faults))
    return [fault for stage in STAGES for fault in shuffled if fault.stage == stage]
