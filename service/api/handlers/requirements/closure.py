"""Find everything that a thing requires, directly or through others, or everything that requires it."""

from functools import partial
from typing import Any

from aiohttp import web

from service.api import keys
from service.api.cursors import Cursors
from service.api.envelope import respond
from service.api.request_params import load_request_params
from service.api.walking import run_walk
from service.database.pool import Database
from service.domain.callers import Viewer
from service.domain.closures import MAX_THINGS, Closing, ClosureChangedError, Position, Reached
from service.domain.graph import Direction, scope_of
from service.domain.params import Params
from service.domain.references import Reference
from service.domain.statuses import ActionSuccessful, InvalidParam, ParamError
from service.domain.views import requested_views
from service.storage.requirement_graph import Reading, read_closure
from service.storage.statements import Within

_UNKNOWN = ParamError("page.after", "must be the next of a page with the same params and caller")
_CHANGED = ParamError(
    "page.after", "is no longer valid, because results of the earlier pages have changed: start without it"
)


async def closure(request: web.Request) -> web.Response:
    """Answer with a page of the things that can be reached from `of`, and with the requirements that close a cycle."""
    params = load_request_params(request)
    data = await run_walk(request, partial(_read_page, request.app[keys.CURSORS], params))
    views = requested_views(request[keys.CALLER], request[keys.TOKEN], params)
    return respond(request, ActionSuccessful(data=data, views=views))


async def _read_page(
    cursors: Cursors, params: Params, database: Database, viewer: Viewer, timeout: float
) -> dict[str, Any]:
    scope = scope_of(params)
    direction: Direction = params["direction"] or "requires"
    context = ("closure", *params["of"], direction, *scope, *viewer)
    requested = params["page"] or {}
    size = requested.get("size") or MAX_THINGS
    executor = Within(database, timeout)
    position = await _position(executor, cursors, context, requested.get("after"))
    try:
        page = await read_closure(params["of"], direction, scope, (position, size), Reading(database, viewer, timeout))
    except ClosureChangedError as error:
        raise InvalidParam(_CHANGED) from error
    return {
        "results": [_reached(reached) for reached in page.things],
        "complete": page.next is None,
        "page": {"size": size, "next": page.next and await cursors.seal(executor, context, page.next)},
        "cycles": [_closing(direction, closing) for closing in page.cycles],
    }


async def _position(executor: Within, cursors: Cursors, context: tuple[object, ...], after: str | None) -> Position:
    if after is None:
        return Position()
    opened = await cursors.open(executor, context, after)
    if opened is None:
        raise InvalidParam(_UNKNOWN)
    return Position(*opened)


def _reached(reached: Reached) -> dict[str, Any]:
    thing, depth, requirement_id = reached
    return {"type": thing.type, "id": thing.id, "depth": depth, "requirement_id": requirement_id}


def _closing(direction: Direction, closing: Closing) -> dict[str, Any]:
    ends = (closing.origin, closing.target) if direction == "requires" else (closing.target, closing.origin)
    requireable, required = map(_reference, ends)
    return {"requirement_id": closing.requirement_id, "requireable": requireable, "required": required}


def _reference(reference: Reference) -> dict[str, Any]:
    return {"type": reference.type, "id": reference.id}
