"""Syncs: make what one thing requires equal to a list, in one transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from service.database.pool import Database
from service.database.queries import QUERIES
from service.database.transactions import Transaction, transaction
from service.domain.requirement_batches import (
    MAX_ITEMS,
    MAX_SYNCED,
    BatchCall,
    NewItem,
    RowsDiscarded,
    Sync,
    SyncPlan,
    TooManyRequirements,
    plan_sync,
)
from service.domain.requirements import Requirement
from service.storage.requirement_batches import (
    Earlier,
    ItemResult,
    RequirementBatchStore,
    caller_columns,
    delete,
    find_earlier,
    reference_columns,
    take_turns,
)
from service.storage.requirements import requirement_from_columns

UPDATE_BATCH = QUERIES["update_requirement_batch"].replace("{creation}", QUERIES["record_creation"])


class SyncChange(NamedTuple):
    """One change of a sync, or a requirement that it keeps: "created", "updated", "destroyed" or "kept".

    `item` is the place of the item in the call; None if the requirement was not listed. `requirement` is None if it
    would be created.
    """

    change: str
    item: int | None
    requirement: Requirement | None


class SyncResult(NamedTuple):
    """The changes of a sync, first those of the items in their order, then what was destroyed by id.

    `earlier` is whether an earlier attempt, or a call with the same key, has made them. If references of new
    requirements are missing, nothing was changed and `refused` has their items.
    """

    changes: Sequence[SyncChange]
    earlier: bool = False
    refused: Mapping[int, ItemResult] = {}


class RequirementSyncStore:
    """Carries out syncs. Those of one thing take turns."""

    def __init__(self, database: Database, batches: RequirementBatchStore) -> None:
        """`batches` creates the requirements that are missing."""
        self._database = database
        self._batches = batches

    async def sync(self, call: BatchCall, sync: Sync, *, repeated: bool, timeout: float) -> SyncResult:
        """Make what a thing requires equal to the list of the sync.

        `repeated` and `timeout` are as for `RequirementBatchStore`; raises what its methods raise, `RowsDiscarded`, and
        `TooManyRequirements` if more are in question. References are checked for what is to be created. A call that was
        carried out before is not carried out again: what it kept is returned as it is now, if it still exists.
        """
        async with transaction(self._database, timeout) as running:
            await take_turns(running, call.uids.lock, sync.lock)
            earlier = await find_earlier(running, call, prefer_current=False) if repeated else {}
            # What was carried out before is replayed, however many requirements there are by now.
            limit = None if earlier else MAX_SYNCED
            plan = plan_sync(sync.items, await _requirements_of(running, call, sync, limit))
            if earlier:
                return SyncResult(_repeated(earlier, plan), earlier=True)
            if sync.dry_run:
                return SyncResult(_planned(plan), refused=await self._check(running, plan.created))
            # A missing reference prevents the insert, and then nothing else is changed.
            inserted = await self._batches.insert(running.fetch, call, plan.created) if plan.created else {}
            refused = {item: result for item, result in inserted.items() if result.requirement is None}
            if refused:
                return SyncResult((), refused=refused)
            updated = await _update(running, call, sync.items, plan.updated) if plan.updated else {}
            gone = {MAX_ITEMS + place: requirement.id for place, requirement in enumerate(plan.destroyed)}
            deleted = await delete(running.fetch, call, gone) if gone else {}
            carried_out = len(inserted), len(updated), sum(result.changed for result in deleted.values())
            if carried_out != (len(plan.created), len(plan.updated), len(gone)):
                raise RowsDiscarded
        changes = [
            *(SyncChange("created", item, result.requirement) for item, result in inserted.items()),
            *(SyncChange("updated", item, requirement) for item, requirement in updated.items()),
            *(SyncChange("kept", item, requirement) for item, requirement in plan.kept.items()),
        ]
        destroyed = [SyncChange("destroyed", None, deleted[place].requirement) for place in gone if place in deleted]
        return SyncResult([*_in_order(changes), *destroyed])

    async def _check(self, running: Transaction, items: Sequence[NewItem]) -> dict[int, ItemResult]:
        if not items:
            return {}
        references = reference_columns(items)
        rows = await running.fetch(self._batches.with_references(QUERIES["check_references"], references), *references)
        return {
            items[place - 1].item: ItemResult(
                None, changed=False, repeated=False, required_exists=required, requireable_exists=requireable
            )
            for place, required, requireable in rows
        }


async def _requirements_of(running: Transaction, call: BatchCall, sync: Sync, limit: int | None) -> list[Requirement]:
    """The requirements in question, locked. Raises `TooManyRequirements` if there are more than `limit`."""
    keys = None if sync.keys is None else [key for key in sync.keys if key is not None]
    rows = await running.fetch(
        QUERIES["requirements_of"],
        *sync.requireable,
        *call.viewer,
        keys,
        sync.keys is not None and None in sync.keys,
        None if limit is None else limit + 1,
    )
    if limit is not None and len(rows) > limit:
        raise TooManyRequirements
    return [requirement_from_columns(row) for row in rows]


async def _update(
    running: Transaction, call: BatchCall, items: Iterable[NewItem], updated: Mapping[int, Requirement]
) -> dict[int, Requirement]:
    values = {new.item: new.values["value"] for new in items}
    by_id = {requirement.id: item for item, requirement in sorted(updated.items(), key=lambda pair: pair[1].id)}
    rows = await running.fetch(
        UPDATE_BATCH,
        list(by_id),
        [values[item] for item in by_id.values()],
        call.uids.of(by_id.values()),
        *caller_columns(call),
        call.request_id,
        call.params_digest,
    )
    return {by_id[row[0]]: requirement_from_columns(row) for row in rows}


def _planned(plan: SyncPlan) -> list[SyncChange]:
    return [
        *_in_order(
            [
                *(SyncChange("created", new.item, None) for new in plan.created),
                *(SyncChange("updated", item, requirement) for item, requirement in plan.updated.items()),
                *(SyncChange("kept", item, requirement) for item, requirement in plan.kept.items()),
            ]
        ),
        *(SyncChange("destroyed", None, requirement) for requirement in plan.destroyed),
    ]


def _repeated(earlier: Mapping[int, Earlier], plan: SyncPlan) -> list[SyncChange]:
    made = [SyncChange(found.change, item, found.requirement) for item, found in sorted(earlier.items())]
    kept = [
        SyncChange("kept", item, requirement)
        for item, requirement in {**plan.kept, **plan.updated}.items()
        if item not in earlier
    ]
    listed = _in_order([*(one for one in made if one.change != "destroyed"), *kept])
    return [*listed, *(one._replace(item=None) for one in made if one.change == "destroyed")]


def _in_order(changes: Collection[SyncChange]) -> list[SyncChange]:
    return sorted(changes, key=lambda one: one.item or 0)
