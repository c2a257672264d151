"""Run the statement of a reading action."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import web

from service.api import keys
from service.database.errors import ConnectionLost, DatabaseError, RetryableError
from service.database.pool import Database
from service.domain.callers import Viewer, viewer_of
from service.domain.statuses import ApplicationCrash

T = TypeVar("T")

Read = Callable[[Database, Viewer, float], Awaitable[T]]


async def run_read(request: web.Request, read: Read[T]) -> T:
    """The result of `read`, which is called with the pool for reads, the caller's viewer, and a timeout in seconds.

    `read` may run twice: a pooled connection may have been lost without notice. Raises `ApplicationCrash`.
    """
    viewer = viewer_of(request[keys.CALLER], request.app[keys.CONFIG].requirements.clients_see)
    database = request.app[keys.READ_DATABASE]
    try:
        try:
            return await read(database, viewer, _seconds_left(request))
        except (ConnectionLost, RetryableError):
            return await read(database, viewer, _seconds_left(request))
    except DatabaseError as error:
        raise ApplicationCrash from error


def _seconds_left(request: web.Request) -> float:
    return max(request[keys.DEADLINE] - asyncio.get_running_loop().time(), 0.001)
