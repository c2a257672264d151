"""Cursors of the change feed."""

from service.api.cursors import Cursors
from service.domain.feed import Position
from service.storage.requirement_feed import Feed
from service.storage.statements import Executor


async def seal_position(cursors: Cursors, executor: Executor, feed: Feed, position: Position) -> str:
    """The cursor of a position. Raises a `DatabaseError`."""
    return await cursors.seal(executor, _context(feed), position)


async def open_position(cursors: Cursors, executor: Executor, feed: Feed, cursor: str) -> Position | None:
    """The position of a cursor; None if the feed of this database has not given it. Raises a `DatabaseError`."""
    opened = await cursors.open(executor, _context(feed), cursor)
    return None if opened is None else Position(*opened)


def _context(feed: Feed) -> tuple[object, ...]:
    # A cursor is a place in the feed of one database, whatever the filters are, and whoever reads.
    return ("changes", feed.identity)
