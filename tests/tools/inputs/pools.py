"""Draw many values of a strategy at once, because single draws are too slow for 100,000 requests."""

from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.tools.inputs.composer import Draw

EXAMPLES = 25
VALUES_PER_EXAMPLE = 20


def pool(strategy: st.SearchStrategy[Any], seeded: int) -> list[Any]:
    """Return several hundred values; the same seed gives the same values."""
    found: list[Any] = []

    @seed(seeded)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(strategy, min_size=VALUES_PER_EXAMPLE, max_size=VALUES_PER_EXAMPLE))
    def draw(values: list[Any]) -> None:
        found.extend(values)

    draw()
    return found


def pooled_draws(strategies: dict[str, st.SearchStrategy[Any]], random: Random) -> Draw:
    """Return a function that draws at random from a pool for each strategy."""
    pools = {name: pool(strategy, random.getrandbits(64)) for name, strategy in strategies.items()}
    return lambda name: random.choice(pools[name])
