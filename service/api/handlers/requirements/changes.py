"""Tell every change of a requirement: the change feed."""

import asyncio
from functools import partial
from typing import Any, NamedTuple

from aiohttp import web

from service.api import keys
from service.api.cursors import Cursors
from service.api.envelope import respond
from service.api.feed_cursors import open_position, seal_position
from service.api.reading import run_read
from service.api.request_params import load_request_params
from service.api.turns import TooManyWaitingError
from service.database.pool import Database
from service.domain.callers import Viewer
from service.domain.feed import NOW, FeedPage, Position, feed_filters_of
from service.domain.lists import PAGE_SIZE
from service.domain.params import Params
from service.domain.statuses import ActionSuccessful, ApplicationCrash, InvalidParam, Overloaded, ParamError
from service.domain.views import requested_views
from service.storage.requirement_feed import Feed, read_feed, read_feed_page, read_newest_position
from service.storage.statements import Within

_UNKNOWN = ParamError("after", "must be now, or a next or cursor that the feed of this database has given")
_NOT_KEPT = ParamError("after", "is no longer kept: read everything anew, and follow from now")

# How often it is checked that a waiting caller is still there.
CHECK_SECONDS = 1.0
# Pauses between readings that find only events for others, each twice as long as the one before.
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.1, 1.6


class _Answer(NamedTuple):
    """The data of an answer, and the page that it shows."""

    data: dict[str, Any]
    page: FeedPage


async def changes(request: web.Request) -> web.Response:
    """Answer with the events after a cursor that the caller may see; if there are none, wait for some."""
    params = load_request_params(request)
    answer = await _read(request, params)
    if params["wait_seconds"] and params["after"] != NOW and _is_empty(answer):
        try:
            async with request.app[keys.CHANGE_WATCHER].waiting():
                answer = await _wait(request, params, answer)
        except TooManyWaitingError as error:
            raise Overloaded from error
    views = requested_views(request[keys.CALLER], request[keys.TOKEN], params)
    return respond(request, ActionSuccessful(data=answer.data, views=views))


def _is_empty(answer: _Answer) -> bool:
    return not answer.page.events and answer.page.complete


async def _wait(request: web.Request, params: Params, answer: _Answer) -> _Answer:
    """The first answer with events, or the last one when the time is over, the caller is gone or the worker stops."""
    watcher, clock = request.app[keys.CHANGE_WATCHER], asyncio.get_running_loop().time
    until, pause = clock() + params["wait_seconds"], 0.0
    while _is_empty(answer) and not watcher.stopped and clock() < until:
        if request.transport is None or request.transport.is_closing():
            break
        began = clock()
        found = await watcher.wait(answer.page.next, min(CHECK_SECONDS + pause, until - began), pause)
        request[keys.WAITED] = request.get(keys.WAITED, 0.0) + clock() - began
        if found:
            # The time of waiting does not count as time of the request.
            request[keys.DEADLINE] = clock() + request.app[keys.CONFIG].server.request_timeout_seconds
            answer = await _read(request, params, answer.page.next)
            pause = min(max(2 * pause, FIRST_PAUSE_SECONDS), MAX_PAUSE_SECONDS)
    return answer


async def _read(request: web.Request, params: Params, after: Position | None = None) -> _Answer:
    """An answer with the events after a position; None: after the cursor in the params."""
    read = partial(_read_page, request.app[keys.CURSORS], params, after)
    try:
        async with request.app[keys.CHANGE_WATCHER].turns.turn(request[keys.DEADLINE]):
            return await run_read(request, read)
    except TooManyWaitingError as error:
        raise Overloaded from error
    except TimeoutError as error:
        raise ApplicationCrash from error


async def _read_page(
    cursors: Cursors, params: Params, after: Position | None, database: Database, viewer: Viewer, timeout: float
) -> _Answer:
    executor = Within(database, timeout)
    feed = await read_feed(executor)
    if after is None:
        after = await _position(executor, cursors, params["after"], feed)
    if params["after"] == NOW:
        page: FeedPage | None = FeedPage((), after, complete=True)
    else:
        size = (params["page"] or {}).get("size") or PAGE_SIZE
        page = await read_feed_page(executor, feed, after, size, feed_filters_of(params), viewer)
    if page is None:
        raise InvalidParam(_NOT_KEPT)
    data = {
        "results": [event.view(await seal_position(cursors, executor, feed, event.position)) for event in page.events],
        "complete": page.complete,
        "next": await seal_position(cursors, executor, feed, page.next),
    }
    return _Answer(data, page)


async def _position(executor: Within, cursors: Cursors, after: str | None, feed: Feed) -> Position:
    if after is None:
        return feed.kept_after
    if after == NOW:
        # That of an event, which is committed: a server that takes over may use the ids of later transactions again.
        return await read_newest_position(executor) or feed.kept_after
    position = await open_position(cursors, executor, feed, after)
    # A cursor from the future was given before an older state of this database was restored.
    if position is None or position.transaction_id >= feed.next_transaction_id:
        raise InvalidParam(_UNKNOWN)
    return position
