"""The checker finds each kind of violation, and none in a correct history."""

from collections.abc import Awaitable, Callable

import pytest

from tests.tools.ledger.callers import Caller
from tests.tools.ledger.checker import check
from tests.tools.ledger.outcomes import NO_ANSWER, AttemptResult
from tests.tools.ledger.planting import FAILED, Ledger
from tests.tools.ledger.requests import Request


async def test_a_clean_history(ledger: Ledger) -> None:
    """Successes with a row, failures without, unknown outcomes with and without, retries and refusals are valid."""
    make = ledger.requests.make
    for keyed in (False, True):
        request = make(keyed=keyed)
        ledger.record(request, await ledger.insert(request))
    retried = make(keyed=True)
    success = await ledger.insert(retried)
    replayed = AttemptResult("ok", success.status, 200, "replayed", success.data)
    ledger.record(retried, NO_ANSWER, FAILED, replayed, replayed)
    there, never_seen = make(), make()
    await ledger.insert(there)
    await ledger.insert(never_seen)
    ledger.record(there, NO_ANSWER)
    ledger.history.sent(never_seen, 1)
    ledger.record(make(), NO_ANSWER)
    ledger.record(make(), FAILED)
    ledger.record(make(expected_status="invalid-param"), AttemptResult("fail", "invalid-param", 400, "none"))
    assert await ledger.found() == set()


async def acknowledged_without_row(ledger: Ledger, request: Request) -> None:
    """A success whose row was deleted."""
    ledger.record(request, await ledger.insert(request))
    await ledger.as_service("DELETE FROM requirements")


async def two_rows(ledger: Ledger, request: Request) -> None:
    """One request, and two rows."""
    ledger.record(request, await ledger.insert(request))
    await ledger.insert(request)


async def unknown_with_two_rows(ledger: Ledger, request: Request) -> None:
    """An unknown outcome, and two rows."""
    ledger.record(request, NO_ANSWER)
    await ledger.insert(request)
    await ledger.insert(request)


async def failed_with_row(ledger: Ledger, request: Request) -> None:
    """A failure with a row."""
    ledger.record(request, FAILED)
    await ledger.insert(request)


async def different_id(ledger: Ledger, request: Request) -> None:
    """An answer whose id differs from the row's."""
    success = await ledger.insert(request)
    ledger.record(request, AttemptResult("ok", success.status, 200, "created", {**(success.data or {}), "id": 9_999}))


async def different_value(ledger: Ledger, request: Request) -> None:
    """A row whose value differs from the request's, with an answer that matches the row."""
    ledger.record(request, await ledger.insert(request, value=f"{request.params['value']} ?"))


async def different_caller(ledger: Ledger, request: Request) -> None:
    """A row recorded for a different caller."""
    other = Caller("other caller", "other token", application_id=77)
    ledger.record(request, await ledger.insert(Request(request.marker, other, request.params)))


async def created_twice(ledger: Ledger, request: Request) -> None:
    """Two attempts that both claim to have created the one row."""
    success = await ledger.insert(request)
    ledger.record(request, success, success)


async def two_ids(ledger: Ledger, request: Request) -> None:
    """Two attempts answered with two records."""
    first, second = await ledger.insert(request), await ledger.insert(request)
    ledger.record(request, first, second)


async def one_key_two_rows(ledger: Ledger, request: Request) -> None:
    """Two requirements with one Idempotency-Key."""
    for one in (request, ledger.requests.reuse_key(request)):
        ledger.record(one, await ledger.insert(one))


async def not_in_history(ledger: Ledger, request: Request) -> None:
    """A row without a request."""
    await ledger.insert(request)


async def contract_violated(ledger: Ledger, request: Request) -> None:
    """An answer that the contract does not allow."""
    ledger.record(request, AttemptResult("violation", "no envelope", 500))


async def bad_params_accepted(ledger: Ledger, request: Request) -> None:
    """A success where a refusal was expected."""
    bad = Request(request.marker, request.caller, request.params, expected_status="invalid-token")
    ledger.record(bad, await ledger.insert(bad))


async def unexpectedly_refused(ledger: Ledger, request: Request) -> None:
    """A valid token refused as invalid."""
    ledger.record(request, AttemptResult("fail", "invalid-token", 401, "none"))


async def revoked_and_accepted(ledger: Ledger, request: Request) -> None:
    """A success for a token after its revocation was committed."""
    ledger.history.rule(request.caller.name, "invalid-token", ledger.history.now, must=True)
    ledger.record(request, await ledger.insert(request))


InsertViolation = Callable[[Ledger, Request], Awaitable[None]]
VIOLATIONS: dict[InsertViolation, set[str]] = {
    acknowledged_without_row: {"acknowledged, but no row"},
    two_rows: {"more than one row"},
    unknown_with_two_rows: {"more than one row"},
    failed_with_row: {"failed, but row exists"},
    different_id: {"answer differs from row"},
    different_value: {"row differs from request"},
    different_caller: {"row differs from request"},
    created_twice: {"created more than once"},
    two_ids: {"more than one row", "answered with several ids"},
    one_key_two_rows: {"several rows for one Idempotency-Key"},
    not_in_history: {"not in the history"},
    contract_violated: {"answer violates the contract"},
    bad_params_accepted: {"succeeded, but must be refused"},
    unexpectedly_refused: {"unexpected refusal"},
    revoked_and_accepted: {"succeeded after a change forbade it"},
}


@pytest.mark.parametrize("insert_violation", VIOLATIONS, ids=lambda insert: insert.__name__)
async def test_a_planted_violation(ledger: Ledger, insert_violation: InsertViolation) -> None:
    """Each kind of violation is found by name in an otherwise valid history."""
    valid = ledger.requests.make()
    ledger.record(valid, await ledger.insert(valid))
    await insert_violation(ledger, ledger.requests.make(keyed=True))
    assert await ledger.found() >= VIOLATIONS[insert_violation]


async def test_a_change_explains_its_refusals(ledger: Ledger) -> None:
    """A refusal is expected while a change affects its caller, and only then."""
    request, other = ledger.requests.make(), ledger.requests.make(caller=Caller("another", "token"))
    began = ledger.history.now
    ledger.record(request, refused := AttemptResult("fail", "invalid-token", 401, "none"))
    ledger.history.rule(request.caller.name, "invalid-token", began, ledger.history.now, must=False)
    assert await ledger.found() == set()
    ledger.record(other, refused)
    assert await ledger.found() == {"unexpected refusal"}


async def test_a_part_of_a_history(ledger: Ledger) -> None:
    """From a position on, only later requests are checked, together with earlier attempts at the same ones."""
    ledger.record(lost := ledger.requests.make(), await ledger.insert(lost))
    await ledger.as_service("DELETE FROM requirements")
    replayed = ledger.requests.make(keyed=True)
    ledger.record(replayed, await ledger.insert(replayed))
    position = ledger.history.position
    ledger.history.sent(replayed, 2)
    ledger.history.received(replayed, 2, FAILED)
    ledger.record(valid := ledger.requests.make(), await ledger.insert(valid))
    assert await check(ledger.history, ledger.dsn, since=position) == []
    assert [violation.marker for violation in await check(ledger.history, ledger.dsn)] == [lost.marker]
