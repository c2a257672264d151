"""Generate an endless sequence of requests from a seed."""

from collections.abc import Iterator
from itertools import count, cycle
from random import Random

from tests.tools.inputs.composer import Composer, strategies
from tests.tools.inputs.contract import Case
from tests.tools.inputs.database_state import DatabaseState
from tests.tools.inputs.pools import pooled_draws
from tests.tools.inputs.service import MAX_BODY_BYTES
from tests.tools.inputs.stories import Story

# Requests per family, of twenty-six. Two are separate: "sizes", since bodies of 128 KiB are slow and vary little, and
# "stories", which consist of many calls each.
SHARES = {
    "params": 6,
    "documents": 4,
    "base64": 2,
    "headers": 3,
    "tokens": 2,
    "targets": 1,
    "all at once": 2,
    "other actions": 6,
}


RARE = {0: "sizes", 100: "stories", 200: "sizes"}  # by number, of four hundred


def generate_requests(state: DatabaseState, seed: int) -> Iterator[tuple[str, Case | Story]]:
    """Yield requests and stories with their family. The same seed gives the same ones, apart from tokens."""
    random = Random(seed)  # noqa: S311 - it has to come out the same again
    composer = Composer(state, MAX_BODY_BYTES, random, pooled_draws(strategies(state), random), count())
    families = [family for family, share in SHARES.items() for _ in range(share)]
    random.shuffle(families)
    for number, family in enumerate(cycle(families)):
        chosen = RARE.get(number % 400, family)
        yield chosen, composer.families[chosen]()
