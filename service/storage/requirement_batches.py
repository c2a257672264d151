"""Many changes of requirements in one call, in one transaction with a bounded number of statements."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import asyncpg

from service.database.arrays import array_literal
from service.database.pool import Database
from service.database.queries import QUERIES, quote_identifier, quote_literal
from service.database.transactions import Transaction, transaction
from service.domain.requirement_batches import (
    BatchCall,
    KeyUsedBefore,
    NewItem,
)
from service.domain.requirements import Requirement
from service.storage.requirements import requirement_from_columns

Fetch = Callable[..., Awaitable[list[asyncpg.Record]]]  # takes a statement and its arguments


class ItemResult(NamedTuple):
    """What became of one item.

    `requirement` is the record after a create, or before a destroy; None if it was refused. `changed` is whether this
    attempt wrote it, `repeated` whether an earlier attempt, or an earlier call with the same key, has. The last two are
    whether the references of a new requirement exist.
    """

    requirement: Requirement | None
    changed: bool
    repeated: bool
    required_exists: bool = True
    requireable_exists: bool = True


class Earlier(NamedTuple):
    """A change that an earlier attempt, or a call with the same key, has made."""

    change: str
    requirement: Requirement


class RequirementBatchStore:
    """Carries out batches. Each method waits for locks, and is committed when it returns.

    `repeated` is whether the call may have been carried out before: it has an Idempotency-Key, or this is not the first
    attempt. Attempts at one call take turns. `timeout` is in seconds.
    A method raises a `DatabaseError`, or `KeyUsedBefore`.
    """

    def __init__(
        self, database: Database, associations: Mapping[str, str], recipients: Sequence[str] | None = None
    ) -> None:
        """`associations` maps each type to its table. An e-mail to `recipients` is queued for each new requirement."""
        self._database = database
        self._associations = associations
        self._recipients = recipients

    async def create(
        self, call: BatchCall, items: Sequence[NewItem], *, repeated: bool, timeout: float
    ) -> Mapping[int, ItemResult]:
        """Insert the requirements of these items; if the call is atomic, all or none. The result is by item."""
        if not repeated:
            return await self.insert(partial(self._database.fetch, timeout=timeout), call, items)
        async with transaction(self._database, timeout) as running:
            results = await _results_of_earlier(running, call)
            missing = [new for new in items if new.item not in results]
            return results | await self.insert(running.fetch, call, missing) if missing else results

    async def destroy(
        self, call: BatchCall, ids: Mapping[int, int], *, repeated: bool, timeout: float
    ) -> Mapping[int, ItemResult]:
        """Delete the requirements of these ids, which are by item; if the call is atomic, all or none.

        The result is by item, without those that do not exist or that the caller does not see.
        """
        if not repeated:
            return await delete(partial(self._database.fetch, timeout=timeout), call, ids)
        async with transaction(self._database, timeout) as running:
            results = await _results_of_earlier(running, call)
            missing = {item: number for item, number in ids.items() if item not in results}
            return results | await delete(running.fetch, call, missing) if missing else results

    async def insert(self, fetch: Fetch, call: BatchCall, items: Sequence[NewItem]) -> dict[int, ItemResult]:
        """Insert the requirements of these items whose references exist; if the call is atomic, all or none.

        `fetch` runs the statement. Raises `ConstraintViolated` if another attempt at the call, or a single call with
        the same key, was committed meanwhile.
        """
        uids = call.uids.of([new.item for new in items])
        references = reference_columns(items)
        (row,) = await fetch(
            self.with_references(QUERIES["create_requirement_batch"], references),
            call.uids.lock,
            array_literal(uids),
            *[array_literal(column) for column in references],
            array_literal([new.values["key"] for new in items]),
            array_literal([new.values["value"] for new in items]),
            *caller_columns(call),
            call.request_id,
            call.params_digest,
            call.atomic,
            self._recipients,
        )
        return {**_refused(call, row), **_inserted(call, row, dict(zip(uids, items, strict=True)))}

    def with_references(self, statement: str, references: Sequence[Sequence[Any]]) -> str:
        """The statement, with the locks of these references, which are as `reference_columns` returns them."""
        types = sorted({*references[0], *references[2]})
        return compose_locks(statement, tuple((one, self._associations[one]) for one in types))


def _refused(call: BatchCall, row: asyncpg.Record) -> dict[int, ItemResult]:
    """The results of the items whose references do not exist, by item."""
    if row["refused_uids"] is None:
        return {}
    refused = zip(row["refused_uids"].split(), row["required_exist"], row["requireable_exist"], strict=True)
    return {
        call.uids.item(uid): ItemResult(
            None, changed=False, repeated=False, required_exists=required, requireable_exists=requireable
        )
        for uid, required, requireable in refused
    }


def _inserted(call: BatchCall, row: asyncpg.Record, items: Mapping[str, NewItem]) -> dict[int, ItemResult]:
    """The results of the items that were inserted, by item. `items` are by request_uid."""
    if row["request_uids"] is None:
        return {}
    created_at, updated_at = row["created_at"], row["updated_at"]
    results = {}
    for uid, requirement_id in zip(row["request_uids"].split(), row["ids"], strict=True):
        item, values = items[uid]
        requirement = Requirement(
            requirement_id,
            values["required"],
            values["requireable"],
            values["key"],
            values["value"],
            created_at,
            updated_at,
            call.params_digest,
        )
        results[item] = ItemResult(requirement, changed=True, repeated=False)
    return results


@lru_cache(maxsize=64)
def compose_locks(statement: str, associations: Sequence[tuple[str, str]]) -> str:
    """The statement, with a lock of the references of each of these types; each has its table."""
    references = [
        QUERIES["lock_references"].replace("{type}", quote_literal(one)).replace("{table}", quote_identifier(table))
        for one, table in associations
    ]
    return statement.replace("{references}", "\n    UNION ALL\n    ".join(references))


DESTROY_BATCH = QUERIES["destroy_requirement_batch"].replace("{creation}", QUERIES["record_creation"])


def reference_columns(items: Sequence[NewItem]) -> tuple[list[str], list[int], list[str], list[int]]:
    """The types and the ids of what is required, and of what requires it."""
    required = [new.values["required"] for new in items]
    requireable = [new.values["requireable"] for new in items]
    return (
        [reference.type for reference in required],
        [reference.id for reference in required],
        [reference.type for reference in requireable],
        [reference.id for reference in requireable],
    )


def caller_columns(call: BatchCall) -> tuple[int | None, int | None, int | None]:
    """The application_id, user_id and session_id of the caller."""
    application, session, _ = call.caller
    return (
        None if application is None else application.id,
        None if session is None else session.user_id,
        None if session is None else session.id,
    )


async def take_turns(running: Transaction, *locks: int) -> None:
    """Wait for other transactions that hold one of these advisory locks, until this one ends."""
    await running.fetch(QUERIES["take_turns"], array_literal(locks))


async def _results_of_earlier(running: Transaction, call: BatchCall) -> dict[int, ItemResult]:
    await take_turns(running, call.uids.lock)
    earlier = await find_earlier(running, call, prefer_current=True)
    return {item: ItemResult(found.requirement, changed=False, repeated=True) for item, found in earlier.items()}


async def find_earlier(running: Transaction, call: BatchCall, *, prefer_current: bool) -> dict[int, Earlier]:
    """What was done by an earlier attempt of the call, or a call with the same key, by item.

    A requirement that was created and changed since is as it is now, or, if not `prefer_current`, as it was then.
    Raises `KeyUsedBefore` if the params of that call were others.
    """
    current = await running.fetch(QUERIES["hold_created_by_call"], *call.uids.range)
    recorded = await running.fetch(QUERIES["changed_by_call"], *call.uids.range)
    found = {}
    for uid, change, *columns in (*recorded, *current) if prefer_current else (*current, *recorded):
        requirement = requirement_from_columns(columns)
        if requirement.params_digest != call.params_digest:
            raise KeyUsedBefore
        found[call.uids.item(uid)] = Earlier(change, requirement)
    return found


async def delete(fetch: Fetch, call: BatchCall, ids: Mapping[int, int]) -> dict[int, ItemResult]:
    """Delete the requirements of these ids, which are by item, and record it. The result has those that were found.

    `fetch` runs the statement.
    """
    items = {number: item for item, number in sorted(ids.items(), key=lambda pair: pair[1])}
    rows = await fetch(
        DESTROY_BATCH,
        call.uids.lock,
        list(items),
        call.uids.of(items.values()),
        *call.viewer,
        *caller_columns(call),
        call.request_id,
        call.params_digest,
        call.atomic,
    )
    return {items[row[0]]: ItemResult(requirement_from_columns(row[:-1]), row[-1], repeated=False) for row in rows}
