"""Inject faults into every operation of a request, and check the answer after each."""

import os
from collections.abc import Iterable, Iterator
from itertools import cycle
from typing import NamedTuple

import pytest

from tests.tools.injection.calls import KINDS
from tests.tools.injection.conftest import MakeHarness
from tests.tools.injection.faults import (
    ALL_FAULTS,
    CANCELLED,
    FEW_FAULTS,
    NOT_UNIQUE,
    RESET,
    SHUTTING_DOWN,
    SLOW,
    SOME_FAULTS,
    TIMEOUT,
    TOO_MANY,
    Fault,
    Injection,
    Moment,
    Operation,
)
from tests.tools.injection.harness import Harness

# More operations than any request has; stops an endless loop.
MOST_OPERATIONS = 60

# Timeouts of a request and its statements: short, but long enough for a busy machine.
SHORT_TIMEOUTS = {
    "request_seconds": 0.6,
    "limits": {
        "acquire_timeout_seconds": 0.3,
        "connect_timeout_seconds": 0.3,
        "lock_timeout_seconds": 0.1,
        "statement_timeout_seconds": 0.2,
    },
}


class Setup(NamedTuple):
    """The kind of request that is sent."""

    caller: str
    action: str = "create"
    keyed: bool = False
    emails: bool = False
    concurrent: bool = False


# In the first test, `make test` injects two faults, a lost result and a refusal; `make injection` all that are listed.
INJECT_ALL = "ALL_FAULTS" in os.environ
TWO_FAULTS = (RESET, NOT_UNIQUE)

# Creates: each combination of caller, key and e-mail; each of the three once with all faults, and with concurrent
# requests. Then the other actions.
COMBINATIONS = [
    (Setup("application"), ALL_FAULTS),
    (Setup("application", keyed=True), SOME_FAULTS),
    (Setup("application", emails=True), SOME_FAULTS),
    (Setup("application", keyed=True, emails=True), ALL_FAULTS),
    (Setup("session"), SOME_FAULTS),
    (Setup("session", keyed=True), ALL_FAULTS),
    (Setup("session", emails=True), ALL_FAULTS),
    (Setup("session", keyed=True, emails=True), SOME_FAULTS),
    (Setup("application", concurrent=True), SOME_FAULTS),
    (Setup("session", concurrent=True), SOME_FAULTS),
    (Setup("application", keyed=True, concurrent=True), FEW_FAULTS),
    (Setup("session", keyed=True, concurrent=True), FEW_FAULTS),
    (Setup("application", emails=True, concurrent=True), FEW_FAULTS),
    (Setup("session", keyed=True, emails=True, concurrent=True), FEW_FAULTS),
    (Setup("application", "update"), ALL_FAULTS),
    (Setup("session", "update", keyed=True), ALL_FAULTS),
    (Setup("application", "update", keyed=True, concurrent=True), FEW_FAULTS),
    (Setup("session", "destroy"), ALL_FAULTS),
    (Setup("application", "destroy", keyed=True), ALL_FAULTS),
    (Setup("session", "destroy", keyed=True, concurrent=True), FEW_FAULTS),
    (Setup("application", "create_many"), ALL_FAULTS),
    (Setup("session", "create_many", keyed=True), ALL_FAULTS),
    (Setup("application", "create_many", keyed=True, emails=True), FEW_FAULTS),
    (Setup("session", "create_many", keyed=True, concurrent=True), FEW_FAULTS),
    (Setup("session", "destroy_many"), ALL_FAULTS),
    (Setup("application", "destroy_many", keyed=True), SOME_FAULTS),
    (Setup("application", "sync", emails=True), SOME_FAULTS),
    (Setup("session", "sync", keyed=True), ALL_FAULTS),
    (Setup("session", "read"), ALL_FAULTS),
    (Setup("application", "index"), ALL_FAULTS),
    (Setup("session", "index", concurrent=True), FEW_FAULTS),
    (Setup("session", "closure"), ALL_FAULTS),
    (Setup("application", "path"), SOME_FAULTS),
    (Setup("session", "changes"), ALL_FAULTS),
]


def moments(fault: Fault) -> Iterator[Moment]:
    """Yield the moments at which a fault can occur in any operation."""
    return (moment for moment in Moment if any(moment in fault.moments(operation) for operation in Operation))


async def inject_everywhere(harness: Harness, faults: Iterable[Fault], *, persistent: bool = False) -> None:
    """Inject each fault at each moment into the first operation, the second, and so on until none is left."""
    found: list[str] = []
    for fault in faults:
        for moment in moments(fault):
            for number in range(1, MOST_OPERATIONS):
                problems = await harness.run_case(Injection(fault, moment, number, persistent))
                if problems is None:
                    break
                found += problems
            else:
                found.append(f"{fault.name} {moment.value}: operations never ended")
    print(f"\n{harness.cases} cases: {dict(harness.outcomes)} at {dict(harness.operations)}")  # noqa: T201 - shown with -s
    assert not found, "\n".join(found)


def setup_id(setup: Setup) -> str:
    """Return the test id of a setup."""
    return "-".join([setup.caller, setup.action, *(name for name, given in setup._asdict().items() if given is True)])


@pytest.mark.parametrize(("setup", "faults"), COMBINATIONS, ids=[setup_id(setup) for setup, _ in COMBINATIONS])
async def test_no_failure_makes_an_answer_a_lie(
    make_harness: MakeHarness, setup: Setup, faults: tuple[Fault, ...]
) -> None:
    """After any fault, each answer is true, the next request succeeds, and nothing leaks."""
    faults = faults if INJECT_ALL else TWO_FAULTS
    harness = await make_harness(**setup._asdict())
    await inject_everywhere(harness, faults)
    # At least the insert is counted; a keyed request looks up its caller before it.
    assert harness.cases >= (2 if setup.keyed else 1) * len(faults)
    # Batches leave their e-mails to the dispatcher.
    assert ("post" in harness.operations) == (setup.emails and setup.action == "create")


@pytest.mark.parametrize(
    ("caller", "faults"), [("application", (RESET, CANCELLED, TOO_MANY)), ("session", (SHUTTING_DOWN,))]
)
async def test_a_connection_that_has_to_be_made_may_fail(
    make_harness: MakeHarness, caller: str, faults: tuple[Fault, ...]
) -> None:
    """The same after all connections were closed, so that the request must open one."""
    harness = await make_harness(caller=caller, keyed=True, cold=True)
    await inject_everywhere(harness, faults)
    assert harness.cases >= 20
    # At least before and after one connect: whether the write opens its own connection depends on timing.
    assert harness.operations["connect"] >= 2


@pytest.mark.parametrize(
    ("caller", "action"), [("session", "create"), *zip(cycle(("application", "session")), KINDS, strict=False)]
)
async def test_a_database_that_does_not_answer_is_waited_for_in_vain(
    make_harness: MakeHarness, caller: str, action: str
) -> None:
    """An operation slower than every timeout still gives a true answer in time, and no leaks."""
    harness = await make_harness(caller=caller, action=action, **SHORT_TIMEOUTS)
    await inject_everywhere(harness, [SLOW])
    assert harness.cases >= 2


@pytest.mark.parametrize("action", [kind.action for kind in KINDS.values() if kind.done])
@pytest.mark.parametrize("keyed", [False, True], ids=["plain", "keyed"])
async def test_a_fault_that_lasts_leaves_a_true_answer(make_harness: MakeHarness, action: str, *, keyed: bool) -> None:
    """If all operations fail from some point on, an outcome that cannot be known is reported as unknown."""
    harness = await make_harness(caller="application", action=action, keyed=keyed, **SHORT_TIMEOUTS)
    await inject_everywhere(harness, [RESET, TIMEOUT, SHUTTING_DOWN], persistent=True)
    assert harness.cases >= (12 if keyed else 6)
    assert harness.outcomes["unknown"] >= 3
