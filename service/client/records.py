"""What the client takes and returns: frozen dataclasses, made from the data of responses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ParamError:
    """One invalid or missing param: its dotted path, and what is wrong with it."""

    param: str
    message: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A thing: its association type, and the id of its row."""

    type: str
    id: int


@dataclass(frozen=True, slots=True)
class Requirement:
    """The record of a requirement.

    The times are the text of the service, RFC 3339 in UTC: `update` and `destroy` take it as `if_updated_at`.
    """

    id: int
    required: Reference
    requireable: Reference
    key: str | None
    value: str | None
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class NewRequirement:
    """A requirement to create."""

    required: Reference
    requireable: Reference
    key: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class WantedRequirement:
    """A requirement that a thing shall have after `sync`."""

    required: Reference
    key: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class RequirementsPage:
    """A page of `index`.

    If `complete` is false, there is more after `next`, also if the page has fewer results than asked for, or none.
    `count` is on the first page, if it was asked for. With `count_is_at_least`, there are that many or more.
    """

    results: tuple[Requirement, ...]
    complete: bool
    next: str | None
    count: int | None
    count_is_at_least: bool


@dataclass(frozen=True, slots=True)
class ReachedThing:
    """A thing in a closure: its least depth, and the requirement by which it was reached."""

    type: str
    id: int
    depth: int
    requirement_id: int


@dataclass(frozen=True, slots=True)
class CycleClosing:
    """A requirement that closes a cycle."""

    requirement_id: int
    requireable: Reference
    required: Reference


@dataclass(frozen=True, slots=True)
class Closure:
    """Everything that was reached, ordered by depth, type and id, and the requirements that close a cycle."""

    results: tuple[ReachedThing, ...]
    cycles: tuple[CycleClosing, ...]


@dataclass(frozen=True, slots=True)
class ClosurePage:
    """A part of a closure, and where the next one begins; None if it is the last one."""

    closure: Closure
    next: str | None


@dataclass(frozen=True, slots=True)
class SyncChange:
    """What `sync` did about one requirement. What `dry_run` would create has no record yet."""

    change: Literal["created", "updated", "destroyed", "kept"]
    requirement: Requirement | NewRequirement


@dataclass(frozen=True, slots=True)
class Caller:
    """Who made a change. Each id is None where it does not apply, all of them if other software wrote the row."""

    application_id: int | None
    user_id: int | None
    session_id: int | None


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a requirement: its record after the change, or as it was before it was destroyed."""

    cursor: str
    change: Literal["created", "updated", "destroyed"]
    requirement: Requirement
    caller: Caller
    request_id: str | None
    at: str


@dataclass(frozen=True, slots=True)
class EventsPage:
    """Events in order. `next` is the cursor to go on from once they have been handled."""

    results: tuple[Event, ...]
    next: str


def reference_of(data: Json) -> Reference:
    """The reference in a response."""
    return Reference(data["type"], data["id"])


def requirement_of(data: Json) -> Requirement:
    """The record in a response."""
    return Requirement(
        data["id"],
        reference_of(data["required"]),
        reference_of(data["requireable"]),
        data["key"],
        data["value"],
        data["created_at"],
        data["updated_at"],
    )


def requirements_page_of(data: Json) -> RequirementsPage:
    """The page in a response of `index`."""
    return RequirementsPage(
        tuple(map(requirement_of, data["results"])),
        data["complete"],
        _next_of(data),
        data.get("count"),
        data.get("count_is_at_least", False),
    )


def closure_page_of(data: Json) -> ClosurePage:
    """The page in a response of `closure`."""
    reached = (ReachedThing(it["type"], it["id"], it["depth"], it["requirement_id"]) for it in data["results"])
    closings = (
        CycleClosing(it["requirement_id"], reference_of(it["requireable"]), reference_of(it["required"]))
        for it in data["cycles"]
    )
    return ClosurePage(Closure(tuple(reached), tuple(closings)), _next_of(data))


def chain_of(data: Json) -> tuple[Requirement, ...] | None:
    """The chain in a response of `path`."""
    return None if data["path"] is None else tuple(map(requirement_of, data["path"]))


def sync_changes_of(data: Json) -> tuple[SyncChange, ...]:
    """The changes in a response of `sync`."""
    return tuple(SyncChange(item["change"], _record_or_plan(item["requirement"])) for item in data["results"])


def events_page_of(data: Json) -> EventsPage:
    """The page in a response of `changes`."""
    return EventsPage(tuple(map(_event_of, data["results"])), data["next"])


def _next_of(data: Json) -> str | None:
    cursor: str | None = data["page"]["next"]
    if data["complete"] is not (cursor is None):
        raise ValueError("a page must be complete or have a next")
    return cursor


def _record_or_plan(data: Json) -> Requirement | NewRequirement:
    if data["id"] is not None:
        return requirement_of(data)
    return NewRequirement(reference_of(data["required"]), reference_of(data["requireable"]), data["key"], data["value"])


def _event_of(data: Json) -> Event:
    caller = data["caller"]
    return Event(
        data["cursor"],
        data["change"],
        requirement_of(data["requirement"]),
        Caller(caller["application_id"], caller["user_id"], caller["session_id"]),
        data["request_id"],
        data["at"],
    )
