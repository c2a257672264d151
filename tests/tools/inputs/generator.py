"""Generate an endless sequence of requests from a seed."""

from collections.abc import Iterator
from itertools import count, cycle
from random import Random

from tests.tools.inputs.composer import Composer, strategies
from tests.tools.inputs.contract import Case
from tests.tools.inputs.database_state import DatabaseState
from tests.tools.inputs.pools import pooled_draws
from tests.tools.inputs.service import MAX_BODY_BYTES

# Requests per family, of twenty. "sizes" is separate: bodies of 128 KiB are slow and vary little.
SHARES = {
    "params": 6,
    "documents": 4,
    "base64": 2,
    "headers": 3,
    "tokens": 2,
    "targets": 1,
    "all at once": 2,
}


def generate_requests(state: DatabaseState, seed: int) -> Iterator[tuple[str, Case]]:
    """Yield requests with their family. The same seed gives the same requests, except for the tokens of `state`."""
    random = Random(seed)  # noqa: S311 - it has to come out the same again
    composer = Composer(state, MAX_BODY_BYTES, random, pooled_draws(strategies(state), random), count())
    families = [family for family, share in SHARES.items() for _ in range(share)]
    random.shuffle(families)
    for number, family in enumerate(cycle(families)):
        chosen = "sizes" if number % 200 == 0 else family
        yield chosen, composer.families[chosen]()
