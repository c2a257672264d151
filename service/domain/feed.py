"""The change feed: events in an order that never changes, and the positions that readers start after."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from service.domain.params import Params
from service.domain.requirements import Requirement
from service.domain.views import timestamp

# The value of `after` that asks for the position of this moment.
NOW = "now"
MAX_WAIT_SECONDS = 30


class Position(NamedTuple):
    """The place of an event in the order of the feed: by transaction, then by the change's own id."""

    transaction_id: int = 0
    id: int = 0


class FeedFilters(NamedTuple):
    """Which events a page has, by the record in the event. None means: any. `without_key`: those without a key."""

    required_type: str | None = None
    required_id: int | None = None
    requireable_type: str | None = None
    requireable_id: int | None = None
    key: str | None = None
    without_key: bool = False


class Event(NamedTuple):
    """One change: `requirement` is the record after it, or before it if it was destroyed.

    The ids and `request_id` are those of the caller and the call; all are None if other software made the change.
    """

    position: Position
    change: str
    requirement: Requirement
    application_id: int | None
    user_id: int | None
    session_id: int | None
    request_id: str | None
    at: datetime

    def view(self, cursor: str) -> dict[str, Any]:
        """The event as an answer shows it; `cursor` is that of its position."""
        return {
            "cursor": cursor,
            "change": self.change,
            "requirement": self.requirement.view(),
            "caller": {
                "application_id": self.application_id,
                "user_id": self.user_id,
                "session_id": self.session_id,
            },
            "request_id": self.request_id,
            "at": timestamp(self.at),
        }


class FeedPage(NamedTuple):
    """Events in their order. The next page starts after `next`; `complete` is whether nothing could be read there."""

    events: Sequence[Event]
    next: Position
    complete: bool


def feed_filters_of(params: Params) -> FeedFilters:
    """The filters in the params of `changes`."""
    required: Mapping[str, Any] = params["required"] or {}
    requireable: Mapping[str, Any] = params["requireable"] or {}
    return FeedFilters(
        required.get("type"),
        required.get("id"),
        requireable.get("type"),
        requireable.get("id"),
        params.get("key"),
        "key" in params and params["key"] is None,
    )
