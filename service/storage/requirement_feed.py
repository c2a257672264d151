"""The change feed: which part of it is kept, and its pages."""

from typing import NamedTuple

import asyncpg

from service.database.pool import Database
from service.database.queries import QUERIES
from service.domain.callers import Viewer
from service.domain.feed import Event, FeedFilters, FeedPage, Position
from service.domain.lists import ROWS_READ_PER_ROW
from service.storage.requirements import requirement_from_columns
from service.storage.statements import Executor, fetch, fetch_first

_REQUIREMENT_COLUMNS = slice(10)


class Feed(NamedTuple):
    """The state of the feed.

    `identity` names the database that it belongs to. Events up to the position `kept_after` are not kept, and those
    with an id up to `foreign_id` were made in another database. No event that can be read has a transaction id of
    `next_transaction_id` or later. The server has every event whose transaction id is less than `horizon`; on a standby
    it can be less than that of events which the primary has returned.
    """

    identity: str
    kept_after: Position
    foreign_id: int
    next_transaction_id: int
    horizon: int


async def read_feed(executor: Executor) -> Feed:
    """The state of the feed. The first call in a database makes the feed that of this database.

    Raises a `DatabaseError`.
    """
    row = await fetch_first(executor, QUERIES["read_feed"])
    if row is None or row["identity"] != row["actual_identity"]:
        await adopt_feed(executor)
        (row,) = await fetch(executor, QUERIES["read_feed"])
    return Feed(
        row["identity"],
        Position(int(row["kept_after_transaction_id"]), row["kept_after_id"]),
        row["foreign_id"],
        int(row["next_transaction_id"]),
        int(row["horizon"]),
    )


async def adopt_feed(executor: Executor) -> None:
    """Make the feed that of this database, if it is not. Raises a `DatabaseError`."""
    await fetch(executor, QUERIES["adopt_feed"])


async def read_newest_position(executor: Executor) -> Position | None:
    """The position of the last event that can be read; None if there is none. Raises a `DatabaseError`."""
    row = await fetch_first(executor, QUERIES["read_newest_change"])
    return None if row is None else Position(int(row["transaction_id"]), row["id"])


async def read_oldest_open_transaction(database: Database, timeout: float) -> int | None:
    """The id of the oldest transaction under way that writes, if later ones have ended: their changes cannot be read.

    `timeout` is in seconds. Raises a `DatabaseError`.
    """
    (row,) = await database.fetch(QUERIES["read_horizon"], timeout=timeout)
    oldest = row["oldest_transaction_id"]
    return None if oldest == row["next_transaction_id"] else int(oldest)


async def read_feed_page(
    executor: Executor, feed: Feed, after: Position, size: int, filters: FeedFilters, viewer: Viewer
) -> FeedPage | None:
    """A page of at most `size` events after a position. None if not all of these are kept any more.

    A page reads a bounded number of events: it may have fewer of them, even none, although it is not `complete`.
    Raises a `DatabaseError`.
    """
    limit = ROWS_READ_PER_ROW * size
    rows = await fetch(
        executor,
        QUERIES["read_feed_page"],
        str(after.transaction_id),
        after.id,
        feed.identity,
        feed.foreign_id,
        limit,
        size,
        *filters,
        *viewer,
    )
    last = rows[-1]
    if not last["kept"]:
        return None
    if last["id"] is None:
        return FeedPage((), after, complete=True)
    events = [_event(row) for row in rows if row["matches"]]
    return FeedPage(events, _position(last), complete=last["is_last"] and last["place"] < limit)


def _position(row: asyncpg.Record) -> Position:
    return Position(int(row["transaction_id"]), row["id"])


def _event(row: asyncpg.Record) -> Event:
    return Event(
        _position(row),
        row["change"],
        requirement_from_columns(row[_REQUIREMENT_COLUMNS]),
        row["application_id"],
        row["user_id"],
        row["session_id"],
        row["request_id"],
        row["changed_at"],
    )
