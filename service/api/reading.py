"""Run the statements of a reading action, on the primary or on a replica."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import web

from service.api import keys
from service.api.read_after import check_read_after
from service.database.errors import ConnectionLost, DatabaseError, NotConnected, RetryableError
from service.database.pool import Database
from service.domain.callers import Viewer, viewer_of
from service.domain.statuses import ApplicationCrash, Refusal
from service.storage.requirement_graph import TooLongError, TooManyRowsError

T = TypeVar("T")

_RETRIED: tuple[type[DatabaseError], ...] = (ConnectionLost, RetryableError)
# When a replica is lost, many reads turn to a pool that may have no open connection yet.
_RETRIED_AFTER_REPLICA = (*_RETRIED, NotConnected)

Read = Callable[[Database, Viewer, float], Awaitable[T]]


async def run_read(request: web.Request, read: Read[T]) -> T:
    """The result of `read`, which is called with the pool for reads, the caller's viewer, and a timeout in seconds.

    `read` may run again: a pooled connection may have been lost without notice, and what a replica cannot answer, or
    would refuse, is the primary's to judge. Raises what `read` raises, `InvalidParam` on X-Read-After, or
    `ApplicationCrash`.
    """
    reads = request.app.get(keys.REPLICA_READS)
    if reads is None or not request[keys.ACTION].reads_replicas:
        return await _run_on_primary(request, read, _RETRIED)
    retried = _RETRIED
    if keys.ON_REPLICA in request and not reads.replica.usable:
        # The request has waited for its turn meanwhile.
        del request[keys.ON_REPLICA]
    if keys.ON_REPLICA in request:
        try:
            result = await _run(request, reads.replica.database, read)
        except (DatabaseError, Refusal, TooManyRowsError, TooLongError):
            del request[keys.ON_REPLICA]
            retried = _RETRIED_AFTER_REPLICA
        else:
            reads.answered["replica"] += 1
            return result
    result = await _run_on_primary(request, read, retried)
    reads.answered["primary"] += 1
    return result


async def _run_on_primary(request: web.Request, read: Read[T], retried: tuple[type[DatabaseError], ...]) -> T:
    """The result of `read`, which runs again after an error that is one of `retried`."""
    database = request.app[keys.READ_DATABASE]
    try:
        try:
            return await _run(request, database, read)
        except retried:
            return await _run(request, database, read)
    except DatabaseError as error:
        raise ApplicationCrash from error


async def _run(request: web.Request, database: Database, read: Read[T]) -> T:
    viewer = viewer_of(request[keys.CALLER], request.app[keys.CONFIG].requirements.clients_see)
    await check_read_after(request, database, _seconds_left(request))
    return await read(database, viewer, _seconds_left(request))


def _seconds_left(request: web.Request) -> float:
    return max(request[keys.DEADLINE] - asyncio.get_running_loop().time(), 0.001)
