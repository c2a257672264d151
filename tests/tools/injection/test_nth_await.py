"""Every operation that a request waits for fails once, in every way, and the ledger is held after each."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pytest

from tests.tools.injection.conftest import SetStage
from tests.tools.injection.faults import (
    CANCELLED,
    EVERY,
    FEW,
    RESET,
    SHUTTING_DOWN,
    SLOW,
    SOME,
    TIMEOUT,
    TOO_MANY,
    Fault,
    Moment,
    Place,
    Strike,
)
from tests.tools.injection.stage import Stage

# More operations than any request has: a strike that still finds one never ends.
MOST_OPERATIONS = 60

# A request's time and its statements', short enough to wait for, and long enough for a machine that is busy.
HURRIED = {
    "request_seconds": 0.6,
    "limits": {
        "acquire_timeout_seconds": 0.3,
        "connect_timeout_seconds": 0.3,
        "lock_timeout_seconds": 0.1,
        "statement_timeout_seconds": 0.2,
    },
}


class Ways(NamedTuple):
    """How the service is asked."""

    caller: str
    keyed: bool = False
    emails: bool = False
    neighbours: bool = False


# Each caller, key and e-mail with each other; everything once with every fault, and among neighbours.
COMBINATIONS = [
    (Ways("application"), EVERY),
    (Ways("application", keyed=True), SOME),
    (Ways("application", emails=True), SOME),
    (Ways("application", keyed=True, emails=True), EVERY),
    (Ways("session"), SOME),
    (Ways("session", keyed=True), EVERY),
    (Ways("session", emails=True), EVERY),
    (Ways("session", keyed=True, emails=True), SOME),
    (Ways("application", neighbours=True), SOME),
    (Ways("session", neighbours=True), SOME),
    (Ways("application", keyed=True, neighbours=True), FEW),
    (Ways("session", keyed=True, neighbours=True), FEW),
    (Ways("application", emails=True, neighbours=True), FEW),
    (Ways("session", keyed=True, emails=True, neighbours=True), FEW),
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


def named(ways: Ways) -> str:
    """What a test's name says of them."""
    return "-".join([ways.caller, *(name for name, given in ways._asdict().items() if given is True)])


@pytest.mark.parametrize(("ways", "faults"), COMBINATIONS, ids=[named(ways) for ways, _ in COMBINATIONS])
async def test_no_failure_makes_an_answer_a_lie(set_stage: SetStage, ways: Ways, faults: tuple[Fault, ...]) -> None:
    """Whatever fails, each answer is true, the next request succeeds, and nothing is left behind."""
    stage = await set_stage(**ways._asdict())
    await strike_all(stage, faults)
    # At the least the requirement is written, before which a key has its caller looked up.
    assert stage.cases >= (2 if ways.keyed else 1) * len(faults)
    assert ("post" in stage.places) == ways.emails


@pytest.mark.parametrize(
    ("caller", "faults"), [("application", (RESET, CANCELLED, TOO_MANY)), ("session", (SHUTTING_DOWN,))]
)
async def test_a_connection_that_has_to_be_made_may_fail(
    set_stage: SetStage, caller: str, faults: tuple[Fault, ...]
) -> None:
    """The same when all connections were lost just before, so that a request has to make its own."""
    stage = await set_stage(caller=caller, keyed=True, cold=True)
    await strike_all(stage, faults)
    assert stage.cases >= 20
    # Before and after one at the least: whether the write makes one of its own hangs on what else goes on.
    assert stage.places["connect"] >= 2


@pytest.mark.parametrize("caller", ["application", "session"])
async def test_a_database_that_does_not_answer_is_waited_for_in_vain(set_stage: SetStage, caller: str) -> None:
    """An operation slower than every limit leaves a true answer in time, and nothing after it."""
    stage = await set_stage(caller=caller, **HURRIED)
    await strike_all(stage, [SLOW])
    assert stage.cases >= 2


@pytest.mark.parametrize("keyed", [False, True], ids=["plain", "keyed"])
async def test_a_fault_that_lasts_leaves_a_true_answer(set_stage: SetStage, *, keyed: bool) -> None:
    """When nothing works any more from some operation on, what cannot be known is told as that."""
    stage = await set_stage(caller="application", keyed=keyed, **HURRIED)
    await strike_all(stage, [RESET, TIMEOUT, SHUTTING_DOWN], lasting=True)
    assert stage.cases >= (12 if keyed else 6)
    assert stage.outcomes["unknown"] >= 3
