"""The handler of every path and method without a resource of its own."""

from typing import NoReturn

from aiohttp import web

from service.api import keys
from service.domain.statuses import RouteNonExistent


async def not_found(request: web.Request) -> NoReturn:
    """Raise `RouteNonExistent`."""
    # With an escaped slash, the path is still that of an action: its response must have an outcome.
    action = request.app[keys.ACTIONS].get((request.method, request.path))
    if action is not None:
        request[keys.ACTION] = action
    raise RouteNonExistent
