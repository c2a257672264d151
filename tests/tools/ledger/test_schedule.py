"""The plan of a run depends only on its seed."""

import pytest

from tests.tools.ledger.faults import FAULTS
from tests.tools.ledger.schedule import VARIANTS, plan


@pytest.mark.parametrize("thorough", [False, True])
def test_the_same_seed(thorough: bool) -> None:
    """The same seed gives the same plan, another seed another plan."""
    plans = [plan(FAULTS, seed, 300, thorough=thorough) for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]


@pytest.mark.parametrize("seed", range(20))
def test_a_short_run(seed: int) -> None:
    """90 seconds fit at least twelve faults, none twice, and start no variant twice."""
    steps = plan(FAULTS, seed, 90, thorough=False)
    names = [step.fault.name for step in steps]
    assert len(names) == len(set(names)) >= 12
    variants = [VARIANTS.index(step.fault.variant) for step in steps]
    assert variants == sorted(variants)
    assert sum(step.requests for step in steps) >= 20_000


def test_a_long_run() -> None:
    """An hour has every fault at least twice, each with its long duration."""
    steps = plan(FAULTS, 1, 3600, thorough=True)
    counts = {name: sum(step.fault.name == name for step in steps) for name in FAULTS}
    assert min(counts.values()) == max(counts.values()) >= 2
    assert FAULTS["take-postgres-away"].duration_seconds(thorough=True) == 60
