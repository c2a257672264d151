"""Requests without end from a seed, family by family."""

from collections.abc import Iterator
from itertools import count, cycle
from random import Random

from tests.tools.inputs.composing import Composer, strategies
from tests.tools.inputs.contract import Asked
from tests.tools.inputs.pools import takes
from tests.tools.inputs.service import MAX_BODY_BYTES
from tests.tools.inputs.world import World

# How many of each twenty requests; a hundred kilobytes cost the most and vary the least.
SHARES = {
    "params": 6,
    "documents": 4,
    "base64": 2,
    "headers": 3,
    "tokens": 2,
    "targets": 1,
    "all at once": 2,
}


def generated(world: World, seed: int) -> Iterator[tuple[str, Asked]]:
    """Each request with its family: the same ones for the same seed, but for the tokens of `world`."""
    random = Random(seed)  # noqa: S311 - it has to come out the same again
    composer = Composer(world, MAX_BODY_BYTES, random, takes(strategies(world), random), count())
    families = [family for family, share in SHARES.items() for _ in range(share)]
    random.shuffle(families)
    for number, family in enumerate(cycle(families)):
        chosen = "sizes" if number % 200 == 0 else family
        yield chosen, composer.families[chosen]()
