"""The follower finds what is wrong with events."""

from typing import Any

import pytest

from tests.tools.ledger.follower import Replay

OLD, NEW = ({"id": 1, "value": value} for value in ("old", "new"))
CREATED, UPDATED, DESTROYED = (
    {"cursor": cursor, "change": change, "requirement": requirement}
    for cursor, change, requirement in (("a", "created", OLD), ("b", "updated", NEW), ("c", "destroyed", NEW))
)


def replayed(events: list[dict[str, Any]], table: dict[int, Any]) -> tuple[int, int]:
    """The gaps and doubles of these events, if the table is this."""
    replay = Replay()
    for event in events:
        replay.apply(event)
    replay.compare(table)
    assert len(replay.problems) == replay.gaps + replay.doubles
    return replay.gaps, replay.doubles


@pytest.mark.parametrize(
    ("events", "table", "found"),
    [
        ([CREATED, UPDATED, DESTROYED], {}, (0, 0)),
        ([CREATED, UPDATED], {1: NEW}, (0, 0)),
        ([CREATED], {1: NEW}, (1, 0)),
        ([CREATED], {}, (1, 0)),
        ([], {1: OLD}, (1, 0)),
        ([UPDATED], {1: NEW}, (1, 0)),
        ([UPDATED, CREATED], {1: NEW}, (2, 1)),
        ([CREATED, DESTROYED], {}, (1, 0)),
        ([CREATED, UPDATED, UPDATED], {1: NEW}, (0, 1)),
        ([CREATED, {**CREATED, "cursor": "z"}], {1: OLD}, (0, 1)),
    ],
)
def test_what_is_found(events: list[dict[str, Any]], table: dict[int, Any], found: tuple[int, int]) -> None:
    """A missing, repeated or misplaced event is found, and a correct sequence is not."""
    assert replayed(events, table) == found
