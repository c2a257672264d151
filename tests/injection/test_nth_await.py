"""Every operation that a request waits for fails once, in every way, and the ledger is held after each."""

import itertools
from collections.abc import Iterable, Iterator

import pytest

from tests.injection.conftest import SetStage
from tests.injection.faults import EVERY, RESET, SLOW, SOME, TIMEOUT, Fault, Moment, Place, Strike
from tests.injection.stage import Stage

# More operations than any request has: a strike that still finds one never ends.
MOST_OPERATIONS = 60

COMBINATIONS = [
    {"caller": caller, "keyed": keyed, "emails": emails, "neighbours": neighbours}
    for caller, keyed, emails, neighbours in itertools.product(
        ("application", "session"), (False, True), (False, True), (False, True)
    )
]


def moments(fault: Fault) -> Iterator[Moment]:
    """When a fault can strike anywhere."""
    return (moment for moment in Moment if any(moment in fault.moments(place) for place in Place))


async def strike_all(stage: Stage, faults: Iterable[Fault], *, lasting: bool = False) -> None:
    """Strike the first operation, the second, and so on until there is none left, with each fault at each moment."""
    found: list[str] = []
    for fault in faults:
        for moment in moments(fault):
            for number in range(1, MOST_OPERATIONS):
                wrong = await stage.play(Strike(fault, moment, number, lasting))
                if wrong is None:
                    break
                found += wrong
            else:
                found.append(f"{fault.name} {moment.value}: there was no end")
    print(f"\n{stage.cases} cases: {dict(stage.outcomes)} at {dict(stage.places)}")  # noqa: T201 - seen with -s
    assert not found, "\n".join(found)


@pytest.mark.parametrize("ways", COMBINATIONS, ids=lambda ways: "-".join(str(way) for way in ways.values()))
async def test_no_failure_makes_an_answer_a_lie(set_stage: SetStage, ways: dict[str, bool]) -> None:
    """Whatever fails, each answer is true, the next request succeeds, and nothing is left behind."""
    stage = await set_stage(**ways)
    await strike_all(stage, SOME if ways["neighbours"] else EVERY)
    assert stage.cases > 30
    assert {"acquire", "statement", "release"} <= stage.places.keys()
    assert ("post" in stage.places) == ways["emails"]
