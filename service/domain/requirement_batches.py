"""Many changes of requirements in one call: what each item asks for, and how a repeated call is recognised."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from operator import attrgetter
from typing import Any, NamedTuple

from service.domain.callers import Caller, Viewer
from service.domain.idempotency import IdempotencyKey, keyed_uid
from service.domain.references import Reference
from service.domain.requirements import Requirement
from service.domain.uuids import time_ordered_uuid

MAX_ITEMS = 1000
MAX_SYNCED = 10_000  # requirements of one thing that a sync looks at

# The request_uids of a call are a block of this many consecutive UUIDs, found by one range of an index. A sync may
# change more requirements than it lists.
_BLOCK = 2**14
_LAST_GROUP = 24  # where the last 12 digits of a UUID begin


class CallUids(NamedTuple):
    """The request_uids of a call, one for each of its items: carrying an item out twice changes it once.

    `head` and `first` are the text and the number that the first UUID of the block consists of. `start` is the place in
    the block of item 0, whose UUID is the one that a call for a single requirement with the same key would have.
    """

    head: str
    first: int
    start: int

    def of(self, items: Iterable[int]) -> list[str]:
        """The request_uids of these items."""
        head, first, start = self
        return [f"{head}{first + (start + item) % _BLOCK:012x}" for item in items]

    def item(self, request_uid: str) -> int:
        """The item that has this request_uid."""
        return (int(request_uid[_LAST_GROUP:], 16) - self.first - self.start) % _BLOCK

    @property
    def range(self) -> tuple[str, str]:
        """The first and the last request_uid of the block."""
        return f"{self.head}{self.first:012x}", f"{self.head}{self.first + _BLOCK - 1:012x}"

    @property
    def lock(self) -> int:
        """The number of the advisory lock by which attempts at this call take turns."""
        return _lock_number(*self.range)


class BatchCall(NamedTuple):
    """What the attempts at a batch have in common.

    `params_digest` is that of the whole call; None without an Idempotency-Key.
    """

    uids: CallUids
    params_digest: bytes | None
    caller: Caller
    viewer: Viewer
    request_id: str
    atomic: bool


class NewItem(NamedTuple):
    """A requirement to write: the place of its item in the call, and its values as the schema returns them."""

    item: int
    values: Mapping[str, Any]


class Sync(NamedTuple):
    """What a thing is to require: each item has another `required` and `key`.

    Only requirements with one of `keys` are in question, all of them if it is None. With `dry_run`, nothing is changed.
    """

    requireable: Reference
    items: Sequence[NewItem]
    keys: Collection[str | None] | None
    dry_run: bool

    @property
    def lock(self) -> int:
        """The number of the advisory lock by which syncs of one thing take turns."""
        return _lock_number("sync", *self.requireable)


class SyncPlan(NamedTuple):
    """What a sync keeps, changes and creates, by item, and the requirements that it destroys."""

    kept: Mapping[int, Requirement]
    updated: Mapping[int, Requirement]
    created: Sequence[NewItem]
    destroyed: Sequence[Requirement]


class KeyUsedBefore(Exception):
    """The Idempotency-Key was used before, with other params."""


class TooManyRequirements(Exception):
    """More requirements are in question than one sync can change."""


class RowsDiscarded(Exception):
    """A trigger of other software has discarded some of the changes, so the others were rolled back."""


def plan_sync(items: Iterable[NewItem], existing: Iterable[Requirement]) -> SyncPlan:
    """How to get from the `existing` requirements, in the order of their ids, to the listed ones.

    Of several that are equal in `required` and `key`, the one with the listed value is kept, or else the oldest.
    """
    alike: dict[tuple[Reference, str | None], list[Requirement]] = {}
    for requirement in existing:
        alike.setdefault((requirement.required, requirement.key), []).append(requirement)
    kept: dict[int, Requirement] = {}
    updated: dict[int, Requirement] = {}
    created: list[NewItem] = []
    destroyed: list[Requirement] = []
    for new in items:
        value = new.values["value"]
        found = alike.pop((new.values["required"], new.values["key"]), None)
        if found is None:
            created.append(new)
            continue
        chosen = next((requirement for requirement in found if requirement.value == value), found[0])
        (kept if chosen.value == value else updated)[new.item] = chosen
        destroyed += [requirement for requirement in found if requirement is not chosen]
    for found in alike.values():
        destroyed += found
    destroyed.sort(key=attrgetter("id"))
    return SyncPlan(kept, updated, created, destroyed)


def call_uids(idempotency_key: IdempotencyKey | None) -> CallUids:
    """The request_uids of a new call, or of every call with this key."""
    uid = time_ordered_uuid() if idempotency_key is None else keyed_uid(idempotency_key)
    number = int(uid[_LAST_GROUP:], 16)
    start = number % _BLOCK
    # Without a key the items begin with the block, so that their UUIDs are in the order of the items.
    return CallUids(uid[:_LAST_GROUP], number - start, 0 if idempotency_key is None else start)


def digest_of(action: str, content: object) -> bytes:
    """The digest of a call's params, by which a repeated call is compared. The token and the views do not count."""
    return sha256(json.dumps([action, content], sort_keys=True).encode()).digest()


def _lock_number(*names: object) -> int:
    return int.from_bytes(sha256(repr(names).encode()).digest()[:8], signed=True)
