"""The handler of every path and method without a resource of its own."""

from typing import NoReturn

from aiohttp import web

from service.domain.statuses import RouteNonExistent


async def not_found(_request: web.Request) -> NoReturn:
    """Raise `RouteNonExistent`."""
    raise RouteNonExistent
