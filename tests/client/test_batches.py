"""`create_many`, `destroy_many` and `sync` of both clients, against the service."""

import pytest

from service.client import (
    AsyncRequirements,
    InvalidParam,
    MissingParam,
    NewRequirement,
    Reference,
    Requirement,
    SyncChange,
    Verdict,
    WantedRequirement,
)
from tests.client.conftest import Calling
from tests.client.gateway import Gateway, lose_response
from tests.factories import Records

ABSENT = Reference("User", 2**63 - 1)


def changes_of(changes: tuple[SyncChange, ...]) -> list[tuple[str, str | None, str | None]]:
    """What each change did, and the key and value of its requirement."""
    return [(it.change, it.requirement.key, it.requirement.value) for it in changes]


async def test_each_item_has_its_verdict(call: Calling, records: Records, user: Reference, app: Reference) -> None:
    """`create_many` creates what it can; the verdict on another item says what is wrong with it."""
    result = await call("create_many", [NewRequirement(user, app, "tier", "gold"), NewRequirement(ABSENT, app)])
    created, refused = result.results
    assert (created.status, created.outcome, created.errors) == ("action-successful", "created", ())
    assert (created.requirement.required, created.requirement.key, created.requirement.value) == (user, "tier", "gold")
    assert (refused.status, refused.outcome, refused.requirement) == ("invalid-param", "none", None)
    assert [error.param for error in refused.errors] == ["requirements.1.required.id"]
    assert (result.succeeded, result.failed, await records.count()) == (1, 1, 1)


async def test_a_failed_item_can_be_raised(call: Calling, user: Reference, app: Reference) -> None:
    """`requirements()` returns all records, or raises the exception of the first item that failed."""
    made = await call("create_many", [NewRequirement(user, app), NewRequirement(user, app)])
    first, second = made.requirements()
    assert isinstance(first, Requirement)
    assert first.id != second.id
    mixed = await call("destroy_many", [first.id, first.id])
    with pytest.raises(InvalidParam, match=r"item 1 failed ids\.1") as caught:
        mixed.requirements()
    assert (len(caught.value.request_id), caught.value.outcome) == (32, "none")


async def test_atomic_batches_are_refused_whole(call: Calling, records: Records, user: Reference) -> None:
    """With `atomic`, one bad item raises its exception, and nothing is written."""
    with pytest.raises(InvalidParam, match=r"requirements\.1"):
        await call("create_many", [NewRequirement(user, user), NewRequirement(ABSENT, user)], atomic=True)
    assert await records.count() == 0
    made = await call("create", user, user)
    with pytest.raises(InvalidParam, match=r"ids\.1"):
        await call("destroy_many", [made.id, 2**63 - 1], atomic=True)
    assert await records.count() == 1


async def test_destroy_many_returns_the_records(call: Calling, records: Records, user: Reference) -> None:
    """`destroy_many` deletes what it is passed, and returns each record as it was."""
    made = (await call("create_many", [NewRequirement(user, user, value=str(number)) for number in range(3)])).results
    gone = await call("destroy_many", [verdict.requirement.id for verdict in made])
    assert gone.results == tuple(Verdict("action-successful", "destroyed", verdict.requirement, ()) for verdict in made)
    assert await records.count() == 0


async def test_no_items(call: Calling) -> None:
    """A batch without items is refused by the service."""
    with pytest.raises((InvalidParam, MissingParam), match="requirements"):
        await call("create_many", [])


async def test_sync_makes_what_is_listed(call: Calling, records: Records, user: Reference, app: Reference) -> None:
    """`sync` creates, updates, destroys and keeps; `dry_run` returns the same and changes nothing."""
    await call("create_many", [NewRequirement(user, app, key) for key in ("kept", "changed", "gone")])
    other = await call("create", user, user)
    wanted = [
        WantedRequirement(user, "kept"),
        WantedRequirement(user, "changed", "new"),
        WantedRequirement(user, "added", "x"),
    ]
    plan = await call("sync", app, wanted, dry_run=True)
    assert NewRequirement(user, app, "added", "x") in [change.requirement for change in plan]
    assert await records.count() == 4
    done = await call("sync", app, wanted)
    assert (
        sorted(changes_of(plan))
        == sorted(changes_of(done))
        == [
            ("created", "added", "x"),
            ("destroyed", "gone", None),
            ("kept", "kept", None),
            ("updated", "changed", "new"),
        ]
    )
    assert all(isinstance(change.requirement, Requirement) for change in done)
    assert await call("read", other.id) == other


async def test_sync_of_some_keys(call: Calling, user: Reference, app: Reference) -> None:
    """With `keys`, requirements with other keys stay; None is the absence of a key, and no items mean none."""
    await call("create_many", [NewRequirement(user, app), NewRequirement(user, app, "other")])
    assert changes_of(await call("sync", app, [], keys=[None])) == [("destroyed", None, None)]
    assert changes_of(await call("sync", app, [])) == [("destroyed", "other", None)]


async def test_batches_are_repeated_with_their_key(
    requirements: AsyncRequirements, gateway: Gateway, records: Records, user: Reference, app: Reference
) -> None:
    """A batch and a sync whose response is lost are repeated with the same key, and done once."""
    gateway.faults.append(lose_response)
    many = await requirements.create_many([NewRequirement(user, user)] * 3)
    assert [verdict.outcome for verdict in many.results] == ["replayed"] * 3
    assert await records.count() == 3
    gateway.faults.append(lose_response)
    gone = await requirements.destroy_many([record.id for record in many.requirements()])
    assert (gone.requirements(), await records.count()) == (many.requirements(), 0)
    gateway.faults.append(lose_response)
    await requirements.sync(app, [WantedRequirement(user)])
    assert await records.count() == 1
    keys = [received.headers["idempotency-key"] for received in gateway.received]
    assert (keys[::2], len(set(keys))) == (keys[1::2], 3)


async def test_a_dry_run_carries_no_key(requirements: AsyncRequirements, gateway: Gateway, app: Reference) -> None:
    """A dry run writes nothing, so it carries no Idempotency-Key."""
    assert await requirements.sync(app, [], dry_run=True) == ()
    assert "idempotency-key" not in gateway.received[0].headers
