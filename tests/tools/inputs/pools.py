"""Many values of a strategy at once: drawing them one by one is too slow for a hundred thousand requests."""

from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.tools.inputs.composing import Take

DRAWS = 25
A_DRAW = 20


def pool(strategy: st.SearchStrategy[Any], seeded: int) -> list[Any]:
    """Some hundred values, the same ones for the same seed."""
    found: list[Any] = []

    @seed(seeded)
    @settings(
        max_examples=DRAWS,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(strategy, min_size=A_DRAW, max_size=A_DRAW))
    def draw(values: list[Any]) -> None:
        found.extend(values)

    draw()
    return found


def takes(strategies: dict[str, st.SearchStrategy[Any]], random: Random) -> Take:
    """Takes values at random from a pool for each strategy."""
    pools = {name: pool(strategy, random.getrandbits(64)) for name, strategy in strategies.items()}
    return lambda name: random.choice(pools[name])
