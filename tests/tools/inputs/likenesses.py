"""What parts of an answer may be that nobody can foresee: each equals every value that it allows."""

import re
from collections.abc import Sequence
from typing import Any

Record = dict[str, Any]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class _Likeness:
    def allows(self, value: Any) -> bool:
        """Whether a value is allowed."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return self.allows(other)

    __hash__ = None  # type: ignore[assignment]


class Time(_Likeness):
    """A time that is later than another, both as answers show them."""

    def __init__(self, after: str = "") -> None:
        self._after = after

    def allows(self, value: Any) -> bool:
        """Whether it is such a time."""
        return isinstance(value, str) and _TIME.fullmatch(value) is not None and value > self._after


class _Id(_Likeness):
    def allows(self, value: Any) -> bool:
        return type(value) is int and value > 0


class _Text(_Likeness):
    def allows(self, value: Any) -> bool:
        return isinstance(value, str) and value != ""


ANY_ID = _Id()
ANY_TEXT = _Text()


class Errors(_Likeness):
    """A list of errors that name these params, whatever their messages are."""

    def __init__(self, params: Sequence[str]) -> None:
        self.params = tuple(params)

    def allows(self, value: Any) -> bool:
        """Whether it is such a list."""
        return isinstance(value, list) and tuple(error["param"] for error in value) == self.params


class Events(_Likeness):
    """Events of the feed: these changes of records with a key, in the order of their calls.

    The changes of one call are to different requirements, and may be returned in any order.
    """

    def __init__(self, calls: Sequence[Sequence[Record]], key: str) -> None:
        self._calls = [[one for one in changes if one["requirement"]["key"] == key] for changes in calls]

    def allows(self, value: Any) -> bool:
        """Whether they are these events."""
        told = list(value)
        for changes in self._calls:
            those, told = told[: len(changes)], told[len(changes) :]
            if sorted(those, key=_id) != [_event(change) for change in sorted(changes, key=_id)]:
                return False
        return not told


def _id(event: Record) -> int:
    return int(event["requirement"]["id"])


def _event(change: Record) -> Record:
    caller = {"application_id": ANY_ID, "user_id": None, "session_id": None}
    return {**change, "cursor": ANY_TEXT, "caller": caller, "request_id": ANY_TEXT, "at": Time()}
