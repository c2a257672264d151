"""The checker finds each kind of violation of batches, and none in a correct history."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.tools.ledger.outcomes import NO_ANSWER, AttemptResult
from tests.tools.ledger.planting import FAILED, Ledger
from tests.tools.ledger.requests import Request
from tests.tools.ledger.subjects import Subject

REFUSED = AttemptResult("fail", "invalid-param", 400, "none")
SUCCESS = "action-successful"
NOTHING = AttemptResult("ok", SUCCESS, 200, "none", {"results": []})


def batch(ledger: Ledger, subject: Subject, action: str, statuses: tuple[str, ...] = (), **params: Any) -> Request:
    """Return a call by the creator of the requirement."""
    made = ledger.requests.make(caller=subject.caller)
    return replace(made, params={"token": subject.caller.token, **params}, action=action, item_statuses=statuses)


def create_many(ledger: Ledger, subject: Subject, *, atomic: bool = True) -> Request:
    """Return a call that creates three requirements."""
    call = batch(ledger, subject, "create_many", (SUCCESS,) * 3)
    parts = {name: subject.record[name] for name in ("required", "requireable", "key")}
    items = [{**parts, "value": f"{call.marker}.{place} new"} for place in range(3)]
    return replace(call, params={**call.params, "requirements": items, "atomic": atomic})


async def destroy_many(ledger: Ledger, subject: Subject) -> Request:
    """Return an atomic call that destroys two requirements."""
    ids = [subject.id, (await ledger.subject()).id]
    return batch(ledger, subject, "destroy_many", (SUCCESS,) * 2, ids=ids, atomic=True)


def sync(ledger: Ledger, subject: Subject, *values: str, dry_run: bool = False) -> Request:
    """Return a sync of the thing of this requirement with new requirements, or with those of these values."""
    call = batch(ledger, subject, "sync")
    required = [{"type": kind, "id": number} for kind, number in ledger.population.references]
    listed = [reference for reference in required if reference != subject.record["required"]][:2]
    key, requireable = subject.record["key"], subject.record["requireable"]
    items: list[Mapping[str, Any]] = [
        {"required": subject.record["required"], "key": key, "value": value} for value in values
    ] or [{"required": one, "key": key, "value": f"{call.marker}/synced"} for one in listed]
    params = {"requireable": requireable, "requirements": items, "keys": [key], "dry_run": dry_run}
    return replace(call, params={**call.params, **params})


async def test_a_clean_history(ledger: Ledger) -> None:
    """Batches with any outcome, repeated ones, and syncs that change, keep or do nothing are valid."""
    subject = await ledger.subject()
    for call in (create_many(ledger, subject), create_many(ledger, subject, atomic=False)):
        ledger.record(replace(call, idempotency_key=f"key {call.marker}"), NO_ANSWER, await ledger.insert_all(call))
    ledger.record(create_many(ledger, subject), NO_ANSWER)
    await ledger.insert_all(lost := create_many(ledger, subject))
    ledger.record(lost, NO_ANSWER)
    keeping = sync(ledger, subject, subject.record["value"])
    kept = {"change": "kept", "requirement": subject.record}
    others = [record["id"] for record in await ledger.records() if record["id"] != subject.id]
    ledger.record(keeping, await ledger.synced(keeping, destroyed=others, kept=[subject.record]))
    ledger.record(sync(ledger, subject, subject.record["value"]), replace(NOTHING, data={"results": [kept]}))
    keyed = replace(sync(ledger, subject), idempotency_key="a key")
    done = await ledger.synced(keyed, destroyed=[subject.id])
    ledger.record(keyed, NO_ANSWER, FAILED, done, replace(done, outcome_header="replayed"))
    dry = sync(ledger, subject, "never written", dry_run=True)
    ledger.record(dry, replace(NOTHING, data={"results": planned(dry, await ledger.records())}))
    ledger.record(batch(ledger, subject, "destroy_many", (SUCCESS,), ids=[subject.id], atomic=True), REFUSED)
    ids = [record["id"] for record in await ledger.records()]
    ending = batch(ledger, subject, "destroy_many", (SUCCESS,) * len(ids), ids=ids, atomic=True)
    ledger.record(ending, await ledger.destroy_all(ending))
    assert await ledger.found() == set()


def planned(call: Request, records: list[Any]) -> list[Any]:
    """Return the results of a dry run that would create all items and destroy these records."""
    times = {"id": None, "created_at": None, "updated_at": None, "requireable": call.params["requireable"]}
    created = [{"change": "created", "requirement": item | times} for item in call.params["requirements"]]
    return created + [{"change": "destroyed", "requirement": record} for record in records]


async def creates_half_written(ledger: Ledger, subject: Subject) -> None:
    """An atomic create_many with an unknown outcome, and a part of its rows."""
    call = create_many(ledger, subject)
    await ledger.insert_all(replace(call, params=call.params | {"requirements": call.params["requirements"][:2]}))
    ledger.record(call, NO_ANSWER)


async def refused_and_written(ledger: Ledger, subject: Subject) -> None:
    """An atomic create_many that was refused, and its rows."""
    call = replace(create_many(ledger, subject), expected_status="invalid-param", item_statuses=("invalid-param",) * 3)
    await ledger.insert_all(call)
    ledger.record(call, REFUSED)


async def written_twice(ledger: Ledger, subject: Subject) -> None:
    """A create_many whose rows are there twice."""
    call = create_many(ledger, subject, atomic=False)
    await ledger.insert_all(call)
    ledger.record(call, await ledger.insert_all(call))


async def destroys_half_made(ledger: Ledger, subject: Subject) -> None:
    """An atomic destroy_many with an unknown outcome, and one of its two events."""
    call = await destroy_many(ledger, subject)
    await ledger.destroy_all(replace(call, params=call.params | {"ids": [subject.id]}))
    ledger.record(call, NO_ANSWER)


async def refused_without_reason(ledger: Ledger, subject: Subject) -> None:
    """An atomic destroy_many of what is there that was refused."""
    ledger.record(await destroy_many(ledger, subject), REFUSED)


async def destroyed_another(ledger: Ledger, subject: Subject) -> None:
    """A repeated destroy_many that destroys something else than the first time."""
    call = replace(await destroy_many(ledger, subject), idempotency_key="a key")
    ledger.record(call, await ledger.destroy_all(call))
    other = await ledger.subject()
    await ledger.destroy_all(replace(call, params=call.params | {"ids": [other.id]}))


async def sync_without_its_event(ledger: Ledger, subject: Subject) -> None:
    """A sync whose answer contains a change that was not made."""
    call = sync(ledger, subject)
    result = await ledger.synced(call, destroyed=[subject.id])
    await ledger.as_service("DELETE FROM requirements WHERE id = (SELECT max(id) FROM requirements)")
    ledger.record(call, result)


async def sync_not_told(ledger: Ledger, subject: Subject) -> None:
    """A sync that destroyed a requirement and does not say so."""
    call = sync(ledger, subject)
    result = await ledger.synced(call, destroyed=[subject.id])
    assert result.data is not None
    ledger.record(call, replace(result, data={"results": result.data["results"][:-1]}))


async def sync_half_written(ledger: Ledger, subject: Subject) -> None:
    """A sync with an unknown outcome, and one of its two rows."""
    call = sync(ledger, subject)
    await ledger.synced(replace(call, params=call.params | {"requirements": call.params["requirements"][:1]}))
    ledger.record(call, NO_ANSWER)


async def sync_done_twice(ledger: Ledger, subject: Subject) -> None:
    """A sync with an unknown outcome whose rows are there twice."""
    call = sync(ledger, subject)
    await ledger.synced(call)
    await ledger.synced(call)
    ledger.record(call, NO_ANSWER)


async def dry_run_written(ledger: Ledger, subject: Subject) -> None:
    """A dry run that made its changes."""
    call = sync(ledger, subject, dry_run=True)
    result = await ledger.synced(call, destroyed=[subject.id])
    ledger.record(call, replace(result, outcome_header="none"))


async def failed_sync_written(ledger: Ledger, subject: Subject) -> None:
    """A sync that failed, and its rows."""
    call = sync(ledger, subject)
    await ledger.synced(call)
    ledger.record(call, FAILED)


async def sync_left_what_it_does_not_list(ledger: Ledger, subject: Subject) -> None:
    """A sync that did not destroy a requirement that was there and is not listed."""
    call = sync(ledger, subject)
    ledger.record(call, await ledger.synced(call))


async def sync_forgot_an_item(ledger: Ledger, subject: Subject) -> None:
    """A sync whose answer lacks an item."""
    call = sync(ledger, subject)
    short = replace(call, params=call.params | {"requirements": call.params["requirements"][:1]})
    ledger.record(call, await ledger.synced(short, destroyed=[subject.id]))


async def sync_kept_what_never_was(ledger: Ledger, subject: Subject) -> None:
    """A sync that says it kept a requirement with a value that it never had."""
    call = sync(ledger, subject, "never")
    ledger.record(call, await ledger.synced(call, kept=[{**subject.record, "value": "never"}]))


async def sync_repeated_as_new(ledger: Ledger, subject: Subject) -> None:
    """A repeated sync that finds nothing to do instead of telling what it did."""
    call = replace(sync(ledger, subject), idempotency_key="a key")
    done = await ledger.synced(call, destroyed=[subject.id])
    ledger.record(call, done, NOTHING)


InsertViolation = Callable[[Ledger, Subject], Awaitable[None]]
VIOLATIONS: dict[InsertViolation, set[str]] = {
    creates_half_written: {"batch half written"},
    refused_and_written: {"failed, but row exists", "batch half written"},
    written_twice: {"more than one row", "batch half written"},
    destroys_half_made: {"batch half written"},
    refused_without_reason: {"unexpected refusal"},
    destroyed_another: {"not in the history", "batch half written"},
    sync_without_its_event: {"sync differs from its events"},
    sync_not_told: {"sync differs from its events"},
    sync_half_written: {"sync half written"},
    sync_done_twice: {"sync half written"},
    dry_run_written: {"failed, but row exists"},
    failed_sync_written: {"failed, but row exists"},
    sync_left_what_it_does_not_list: {"sync left a requirement"},
    sync_forgot_an_item: {"sync without an item"},
    sync_kept_what_never_was: {"shown, but never so"},
    sync_repeated_as_new: {"not replayed", "sync without an item"},
}


@pytest.mark.parametrize("insert_violation", VIOLATIONS, ids=lambda insert: insert.__name__)
async def test_a_planted_violation(ledger: Ledger, insert_violation: InsertViolation) -> None:
    """Each kind of violation is found by name in an otherwise valid history."""
    await insert_violation(ledger, await ledger.subject())
    assert await ledger.found() >= VIOLATIONS[insert_violation]
