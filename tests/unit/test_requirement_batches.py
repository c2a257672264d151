"""Batches: the request_uids of a call, and how a sync gets from what is there to what is listed."""

import uuid
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.domain.callers import Application, Caller
from service.domain.idempotency import IdempotencyKey, keyed_uid
from service.domain.references import Reference
from service.domain.requirement_batches import MAX_ITEMS, MAX_SYNCED, NewItem, call_uids, digest_of, plan_sync
from service.domain.requirements import Requirement

NOW = datetime(2026, 11, 23, tzinfo=UTC)
CALLER = Caller(Application(7, "app", "App", active=True, created_at=NOW, updated_at=NOW), None, sees_all=True)
THING = Reference("Application", 1)

references = st.builds(Reference, st.sampled_from(["User", "Service"]), st.integers(1, 2))
texts = st.sampled_from([None, "", "a"])
listed = st.lists(st.tuples(references, texts, texts), unique_by=lambda item: item[:2], max_size=8)
stored = st.lists(st.tuples(references, texts, texts), max_size=12)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1) | st.none())
def test_request_uids(text: str | None) -> None:
    """The request_uids of a call are different UUIDs within one range; a key always has the same ones."""
    key = None if text is None else IdempotencyKey(CALLER, text)
    uids = call_uids(key)
    places = [0, 1, MAX_ITEMS - 1, MAX_ITEMS + MAX_SYNCED - 1]
    made = uids.of(places)
    first, last = (uuid.UUID(uid) for uid in uids.range)
    assert len(set(made)) == len(places)
    assert all(first <= uuid.UUID(uid) <= last for uid in made)
    assert [uids.item(uid) for uid in made] == places
    if key is not None:
        assert call_uids(key) == uids
        assert made[0] == keyed_uid(key)
    else:
        assert made == sorted(made)
        assert call_uids(None) != uids


def test_digests_differ() -> None:
    """The digest of a call depends on its action and on all of its content."""
    digests = {
        digest_of(action, content) for action in ("create_many", "sync") for content in ([], [1], [[1]], ["1"], [None])
    }
    assert len(digests) == 10


@given(listed, stored)
def test_a_sync_leads_to_what_is_listed(wanted: list[Any], before: list[Any]) -> None:
    """The plan, carried out, leaves exactly the listed requirements, keeps what is as listed, and loses none twice."""
    existing = [
        Requirement(number, required, THING, key, value, NOW, NOW, None)
        for number, (required, key, value) in enumerate(before, 1)
    ]
    items = [
        NewItem(place, {"required": required, "requireable": THING, "key": key, "value": value})
        for place, (required, key, value) in enumerate(wanted)
    ]
    plan = plan_sync(items, existing)
    places = [*plan.kept, *plan.updated, *(new.item for new in plan.created)]
    assert sorted(places) == list(range(len(items)))
    touched = [*plan.kept.values(), *plan.updated.values(), *plan.destroyed]
    assert sorted(touched) == existing
    assert [requirement.id for requirement in plan.destroyed] == sorted(one.id for one in plan.destroyed)
    # A model: the table as a dictionary.
    table = {one.id: (one.required, one.key, one.value) for one in existing}
    for gone in plan.destroyed:
        del table[gone.id]
    for place, changed in plan.updated.items():
        assert changed.value != wanted[place][2]
        assert (changed.required, changed.key, wanted[place][2]) not in before
        table[changed.id] = (changed.required, changed.key, wanted[place][2])
    after = [*table.values(), *(wanted[new.item] for new in plan.created)]
    assert sorted(map(repr, after)) == sorted(map(repr, wanted))
    for place, kept in plan.kept.items():
        assert (kept.required, kept.key, kept.value) == wanted[place]
    alike = {(one.required, one.key) for one in existing}
    assert all(wanted[new.item][:2] not in alike for new in plan.created)
