"""The header X-Read-After: a cursor of the change feed that the answer must not be older than."""

from aiohttp import web
from multidict import istr

from service.api import keys
from service.api.feed_cursors import open_position
from service.database.pool import Database
from service.domain.filter_params import MAX_CURSOR_LENGTH
from service.domain.statuses import InvalidParam, ParamError
from service.storage.requirement_feed import read_feed
from service.storage.statements import Within

READ_AFTER_HEADER = istr("X-Read-After")

_UNKNOWN = ParamError(str(READ_AFTER_HEADER), "must be a next or cursor that the feed of this database has given")


async def check_read_after(request: web.Request, database: Database, timeout: float) -> None:
    """Check that the server of `database` has every change up to the cursor in the header, if there is one.

    `timeout` is in seconds. Raises `InvalidParam` if it has not, or if the cursor is none of the feed. Raises a
    `DatabaseError`.
    """
    cursors = request.headers.getall(READ_AFTER_HEADER, ())
    if not cursors or not request[keys.ACTION].reads_replicas:
        return
    if len(cursors) > 1 or len(cursors[0]) > MAX_CURSOR_LENGTH:
        raise InvalidParam(_UNKNOWN)
    executor = Within(database, timeout)
    feed = await read_feed(executor)
    position = await open_position(request.app[keys.CURSORS], executor, feed, cursors[0])
    # A cursor from the future was given before an older state of this database was restored.
    end = feed.horizon if keys.ON_REPLICA in request else feed.next_transaction_id
    if position is None or position.transaction_id >= end:
        raise InvalidParam(_UNKNOWN)
