"""The checker finds each kind of violation of changes and reads, and none in a correct history."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from tests.tools.ledger.callers import Caller
from tests.tools.ledger.outcomes import NO_ANSWER, AttemptResult
from tests.tools.ledger.planting import FAILED, Ledger
from tests.tools.ledger.requests import Request
from tests.tools.ledger.subjects import Subject

ABSENT = AttemptResult("fail", "invalid-param", 400, "none")

INSERT_AGAIN = """
INSERT INTO requirements (
    id, required_type, required_id, requireable_type, requireable_id, key, value, created_at, updated_at, user_id,
    change_id, transaction_id
)
SELECT
    requirement_id, required_type, required_id, requireable_type, requireable_id, key, value, created_at, updated_at,
    owner_user_id, NULL, NULL
FROM changes WHERE change = 'destroyed'
"""


def update(ledger: Ledger, subject: Subject, **params: object) -> Request:
    """Return an update of the value by the creator of the requirement."""
    made = ledger.requests.update(subject)
    sent = {"token": subject.caller.token, "id": subject.id, "value": f"new {made.marker}", **params}
    return replace(made, caller=subject.caller, params=sent)


def answered(result: AttemptResult, outcome: str | None) -> AttemptResult:
    """Return a success with the same record and another outcome."""
    return replace(result, outcome_header=outcome)


def shown(record: object) -> AttemptResult:
    """Return a success of a read or, for a list of records, of an index."""
    data = {"results": record, "complete": True} if isinstance(record, list) else record
    return AttemptResult("ok", "action-successful", 200, None, data)  # type: ignore[arg-type]


def index(ledger: Ledger, subject: Subject) -> Request:
    """Return a list of the requirements with the key of this one, by its creator."""
    made = ledger.requests.index(subject.caller)
    return replace(made, params=made.params | {"key": subject.record["key"]})


async def test_a_clean_history(ledger: Ledger) -> None:
    """Changes, repeated ones, reads and lists of what is there, refusals after a destroy and lost races are valid."""
    subject = await ledger.subject()
    ledger.record(ledger.requests.read(subject), shown(subject.record))
    ledger.record(index(ledger, subject), shown([subject.record]))
    first = await ledger.made(update(ledger, subject, if_updated_at=subject.record["updated_at"]))
    ledger.record(update(ledger, subject, if_updated_at=subject.record["updated_at"]), ABSENT)
    ledger.record(update(ledger, subject), NO_ANSWER)
    keyed = replace(update(ledger, subject), idempotency_key="a key")
    second = await ledger.change(keyed)
    ledger.record(keyed, NO_ANSWER, FAILED, answered(second, "replayed"), answered(second, "replayed"))
    ledger.record(update(ledger, subject, value=keyed.params["value"]), answered(second, "none"))
    ledger.record(index(ledger, subject), shown([second.data]))
    await ledger.change(lost := update(ledger, subject))
    ledger.record(lost, NO_ANSWER)
    ledger.record(ledger.requests.read(subject), shown(second.data))
    destroyed = await ledger.made(ledger.requests.destroy(subject))
    ledger.record(ledger.requests.read(subject), replace(ABSENT, outcome_header=None))
    ledger.record(update(ledger, subject), ABSENT)
    ledger.record(index(ledger, subject), shown([]))
    assert first.data != destroyed.data
    assert await ledger.found() == set()


async def change_without_event(ledger: Ledger, subject: Subject) -> None:
    """An update that is not recorded."""
    await ledger.made(update(ledger, subject))
    await ledger.connection.execute("DELETE FROM changes WHERE change = 'updated'")


async def destroy_without_event(ledger: Ledger, subject: Subject) -> None:
    """A destroy that is not recorded."""
    await ledger.made(ledger.requests.destroy(subject))
    await ledger.connection.execute("DELETE FROM changes WHERE change = 'destroyed'")


async def changed_twice(ledger: Ledger, subject: Subject) -> None:
    """One update with an unknown outcome, and two events."""
    request = update(ledger, subject)
    for value in ("one", "other"):
        await ledger.change(request, value=value)
    ledger.record(request, NO_ANSWER)


async def failed_with_event(ledger: Ledger, subject: Subject) -> None:
    """A failed update that was made."""
    request = update(ledger, subject)
    await ledger.change(request)
    ledger.record(request, FAILED)


async def different_answer(ledger: Ledger, subject: Subject) -> None:
    """An answer that is not what was recorded."""
    request = update(ledger, subject)
    result = await ledger.change(request)
    ledger.record(request, replace(result, data={**(result.data or {}), "key": "another"}))


async def replayed_as_it_is_now(ledger: Ledger, subject: Subject) -> None:
    """A repeated update that is answered with a later version."""
    request = replace(update(ledger, subject), idempotency_key="a key")
    first = await ledger.change(request)
    later = await ledger.made(update(ledger, subject))
    ledger.record(request, first, answered(later, "replayed"))


async def lost_update(ledger: Ledger, subject: Subject) -> None:
    """A recorded update that is not in the table."""
    await ledger.made(update(ledger, subject))
    await ledger.as_service("UPDATE requirements SET value = $1", subject.record["value"])


async def lost_destroy(ledger: Ledger, subject: Subject) -> None:
    """A recorded destroy whose row is still there."""
    await ledger.made(ledger.requests.destroy(subject))
    await ledger.as_service(INSERT_AGAIN)


async def changed_too_much(ledger: Ledger, subject: Subject) -> None:
    """An update of the value that also changed the key."""
    request = update(ledger, subject)
    ledger.record(request, await ledger.change(request, key="another"))


async def changed_by_another(ledger: Ledger, subject: Subject) -> None:
    """An event with another caller than the request's."""
    request = update(ledger, subject)
    other = replace(request, caller=Caller("other caller", "other token", application_id=77))
    ledger.record(request, await ledger.change(other))


async def changed_another_version(ledger: Ledger, subject: Subject) -> None:
    """Two updates of the same version that both succeeded."""
    for _ in range(2):
        await ledger.made(update(ledger, subject, if_updated_at=subject.record["updated_at"]))


async def changed_after_its_end(ledger: Ledger, subject: Subject) -> None:
    """A destroy after a destroy."""
    await ledger.made(ledger.requests.destroy(subject))
    await ledger.as_service(INSERT_AGAIN)
    await ledger.made(ledger.requests.destroy(subject))


async def events_in_another_order(ledger: Ledger, subject: Subject) -> None:
    """An update that the feed returns before the create."""
    await ledger.made(update(ledger, subject))
    await ledger.connection.execute("UPDATE changes SET transaction_id = '1'::xid8 WHERE change = 'updated'")


async def event_of_nothing(ledger: Ledger, subject: Subject) -> None:
    """An update that is said to have changed nothing, and an event."""
    request = update(ledger, subject)
    ledger.record(request, answered(await ledger.change(request), "none"))


async def not_replayed(ledger: Ledger, subject: Subject) -> None:
    """A repeated update that is said to have changed nothing."""
    request = replace(update(ledger, subject), idempotency_key="a key")
    first = await ledger.change(request)
    ledger.record(request, first, answered(first, "none"))


async def updated_twice(ledger: Ledger, subject: Subject) -> None:
    """Two attempts that both claim to have made the one change."""
    request = update(ledger, subject)
    result = await ledger.change(request)
    ledger.record(request, result, result)


async def one_key_two_changes(ledger: Ledger, subject: Subject) -> None:
    """Two updates with one Idempotency-Key."""
    for _ in range(2):
        await ledger.made(replace(update(ledger, subject), idempotency_key="a key"))


async def change_of_no_request(ledger: Ledger, subject: Subject) -> None:
    """An update that no client sent."""
    await ledger.change(update(ledger, subject))


async def shown_what_never_was(ledger: Ledger, subject: Subject) -> None:
    """A read of a value that the requirement never had."""
    ledger.record(ledger.requests.read(subject), shown({**subject.record, "value": "never"}))


async def shown_another(ledger: Ledger, subject: Subject) -> None:
    """A read that returns another requirement."""
    other = await ledger.subject()
    ledger.record(ledger.requests.read(subject), shown(other.record))


async def shown_an_old_version(ledger: Ledger, subject: Subject) -> None:
    """A read that does not see an update that was acknowledged before."""
    await ledger.made(update(ledger, subject))
    ledger.record(ledger.requests.read(subject), shown(subject.record))


async def shown_after_its_end(ledger: Ledger, subject: Subject) -> None:
    """A read of a requirement whose destroy was acknowledged before."""
    await ledger.made(ledger.requests.destroy(subject))
    ledger.record(ledger.requests.read(subject), shown(subject.record))


async def nothing_to_change_in_an_old_version(ledger: Ledger, subject: Subject) -> None:
    """An update said to change nothing, though the value had changed."""
    await ledger.made(update(ledger, subject))
    ledger.record(update(ledger, subject, value=subject.record["value"]), answered(shown(subject.record), "none"))


async def not_found(ledger: Ledger, subject: Subject) -> None:
    """A read that does not find a requirement that is there."""
    ledger.record(ledger.requests.read(subject), replace(ABSENT, outcome_header=None))


async def not_current(ledger: Ledger, subject: Subject) -> None:
    """An update of the current version that is refused."""
    ledger.record(update(ledger, subject, if_updated_at=subject.record["updated_at"]), ABSENT)


async def left_out_of_a_list(ledger: Ledger, subject: Subject) -> None:
    """A list without a requirement that was acknowledged before."""
    ledger.record(index(ledger, subject), shown([]))


async def listed_with_an_old_value(ledger: Ledger, subject: Subject) -> None:
    """A list that does not see an update that was acknowledged before."""
    await ledger.made(update(ledger, subject))
    ledger.record(index(ledger, subject), shown([subject.record]))


async def listed_under_an_old_key(ledger: Ledger, subject: Subject) -> None:
    """A list that has a requirement whose key is another."""
    changed = await ledger.made(update(ledger, subject, key="another"))
    ledger.record(index(ledger, subject), shown([changed.data]))


async def listed_for_a_stranger(ledger: Ledger, subject: Subject) -> None:
    """A client's list with a requirement of somebody else."""
    stranger = ledger.requests.stranger(subject)
    assert stranger is not None
    ledger.record(replace(index(ledger, subject), caller=stranger), shown([subject.record]))


async def changed_by_a_stranger(ledger: Ledger, subject: Subject) -> None:
    """An update by a client that does not see the requirement."""
    await ledger.made(replace(update(ledger, subject), expected_status="invalid-param"))


InsertViolation = Callable[[Ledger, Subject], Awaitable[None]]
VIOLATIONS: dict[InsertViolation, set[str]] = {
    change_without_event: {"acknowledged, but no event", "table differs from its events"},
    destroy_without_event: {"acknowledged, but no event", "table differs from its events"},
    changed_twice: {"more than one event"},
    failed_with_event: {"failed, but event exists"},
    different_answer: {"answer differs from event"},
    replayed_as_it_is_now: {"answer differs from event"},
    lost_update: {"table differs from its events"},
    lost_destroy: {"table differs from its events"},
    changed_too_much: {"change differs from request"},
    changed_by_another: {"change differs from request"},
    changed_another_version: {"change of another version"},
    changed_after_its_end: {"changed after it was destroyed"},
    events_in_another_order: {"events out of order"},
    event_of_nothing: {"failed, but event exists"},
    not_replayed: {"not replayed"},
    updated_twice: {"changed more than once"},
    one_key_two_changes: {"several rows for one Idempotency-Key"},
    change_of_no_request: {"not in the history"},
    shown_what_never_was: {"shown, but never so"},
    shown_another: {"shown another requirement"},
    shown_an_old_version: {"acknowledged change not shown"},
    shown_after_its_end: {"acknowledged change not shown"},
    nothing_to_change_in_an_old_version: {"acknowledged change not shown"},
    not_found: {"unexpected refusal"},
    not_current: {"unexpected refusal"},
    left_out_of_a_list: {"not listed"},
    listed_with_an_old_value: {"acknowledged change not shown"},
    listed_under_an_old_key: {"listed, but does not belong there"},
    listed_for_a_stranger: {"listed, but does not belong there"},
    changed_by_a_stranger: {"succeeded, but must be refused"},
}


@pytest.mark.parametrize("insert_violation", VIOLATIONS, ids=lambda insert: insert.__name__)
async def test_a_planted_violation(ledger: Ledger, insert_violation: InsertViolation) -> None:
    """Each kind of violation is found by name in an otherwise valid history."""
    await insert_violation(ledger, await ledger.subject())
    assert await ledger.found() >= VIOLATIONS[insert_violation]
