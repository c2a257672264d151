"""Insert requirements in shared statements, in which none of them waits for another or fails because of it."""

import contextlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from service.api.locked_tables import LockedTables
from service.database.errors import (
    ConnectionLost,
    DatabaseError,
    LockTimeout,
    NotConnected,
    ResultUnreadable,
    RetryableError,
    ServerReadOnly,
)
from service.domain.requirements import NewRequirement
from service.storage.requirements import InsertResult, RequirementStore

# Errors of a statement after which each of its calls is attempted again, alone.
OF_ONE_CALL = (RetryableError, ResultUnreadable)
# Errors of a statement that its calls handle: those, and errors that concern the server.
RAISED_TO_CALLS = (*OF_ONE_CALL, ConnectionLost, NotConnected, ServerReadOnly)


class Alone(NamedTuple):
    """The result of an item that must be written alone.

    `target` is the row or the table whose lock it may have to wait for; None if its batch failed for another reason.
    """

    target: Hashable = None


class InsertBatches:
    """Inserts batches. An item that may have to wait for a lock, or may be the one that fails, is left to its call."""

    def __init__(self, store: RequirementStore) -> None:
        self._store = store
        self._locked = LockedTables(store.find_locked_types)

    @property
    def locked_types(self) -> frozenset[str]:
        """The association types whose tables are locked, as last found."""
        return self._locked.types

    async def insert(self, items: Sequence[NewRequirement]) -> list[InsertResult | Alone]:
        """Insert items, which share a statement as far as none has to wait or fails.

        The results are in the order of the items. Raises an error in `RAISED_TO_CALLS`, which concerns all items.
        """
        # One statement must not contain a request_uid twice.
        leaders: dict[str, NewRequirement] = {}
        for item in items:
            leaders.setdefault(item.request_uid, item)
        results = await self._insert_without_waiting(self._without_locked_tables(leaders.values()))
        return [self._share(results.get(item.request_uid), item, leaders[item.request_uid]) for item in items]

    def _without_locked_tables(self, items: Iterable[NewRequirement]) -> list[NewRequirement]:
        """The items that name no table that is locked."""
        locked = self._locked.types
        return [item for item in items if not _types(item) & locked] if locked else list(items)

    async def _insert_without_waiting(self, items: Sequence[NewRequirement]) -> Mapping[str, InsertResult]:
        """Insert the items for which no lock has to be waited for. The results are by request_uid."""
        if not items:
            return {}
        try:
            return await self._store.insert(items, wait=False, short_waits=True)
        except LockTimeout:
            return await self._insert_unblocked(items)
        except RAISED_TO_CALLS:
            raise
        except DatabaseError:
            return {}

    async def _insert_unblocked(self, items: Sequence[NewRequirement]) -> Mapping[str, InsertResult]:
        """Insert the items without those that the whole statement had to wait for."""
        try:
            if await self._locked.refresh():
                with contextlib.suppress(LockTimeout):
                    return await self._insert(self._without_locked_tables(items), short_waits=True)
            # Only an item whose request_uid was sent before can wait for a row of another transaction. The other items
            # can wait only for locks that every call needs.
            new = [item for item in self._without_locked_tables(items) if not item.may_exist]
            return await self._insert(new, short_waits=False)
        except RAISED_TO_CALLS:
            raise
        except DatabaseError:
            return {}

    async def _insert(self, items: Sequence[NewRequirement], *, short_waits: bool) -> Mapping[str, InsertResult]:
        return await self._store.insert(items, wait=False, short_waits=short_waits) if items else {}

    def _share(self, result: InsertResult | None, item: NewRequirement, leader: NewRequirement) -> InsertResult | Alone:
        """The result of `item`, given that of the item written for its request_uid."""
        if result is None:
            locked = _types(item) & self._locked.types
            return Alone(min(locked, default=item.request_uid if item.may_exist else None))
        # Another token of the same caller needs a verdict of its own.
        if item.token_digest != leader.token_digest:
            return Alone()
        if result.requirement is None and result.lookup.refusal is None:
            return Alone(_target(result, item))
        return result if item is leader else result._replace(created=False, email_id=None)

    async def close(self) -> None:
        """Stop looking for locked tables."""
        await self._locked.close()


def _types(item: NewRequirement) -> set[str]:
    return {item.required.type, item.requireable.type}


def _target(result: InsertResult, item: NewRequirement) -> Hashable:
    """The row that a statement that does not wait has left out."""
    if not result.required_exists:
        return item.required
    return item.request_uid if result.requireable_exists else item.requireable
