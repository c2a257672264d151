"""Faults of the network between the service and PostgreSQL."""

import contextlib
from collections.abc import AsyncIterator

from service.database.queries import QUERIES
from tests.tools.ledger.faults.fault import fault, repeating
from tests.tools.ledger.system import SystemUnderTest

COMMIT = QUERIES["commit_transaction"]


@fault(5, long=15)
async def black_hole(system: SystemUnderTest) -> AsyncIterator[None]:
    """Packets are held back without an error, and delivered when the fault ends."""
    with system.proxy.black_hole():
        yield


@fault(1)
async def reset_connections(system: SystemUnderTest) -> AsyncIterator[None]:
    """Reset all connections, repeatedly."""

    async def reset() -> None:
        system.proxy.reset()

    async with repeating(reset, 0.2):
        yield


@fault(2, long=10, unknowns_per_second=0)
async def delay(system: SystemUnderTest) -> AsyncIterator[None]:
    """Delay all traffic by 200 ms in each direction."""
    system.proxy.delay_seconds = 0.2
    try:
        yield
    finally:
        system.proxy.delay_seconds = 0.0


@fault(2, long=10)
async def lose_replies(system: SystemUnderTest) -> AsyncIterator[None]:
    """Lose the reply to a write, repeatedly: the write is committed, and the service cannot know."""
    async with _losing_replies(system, max_bytes=0):
        yield


@fault(2, long=10)
async def cut_replies(system: SystemUnderTest) -> AsyncIterator[None]:
    """Lose the reply to a write after some of its bytes, repeatedly."""
    async with _losing_replies(system, max_bytes=1_500):
        yield


def _losing_replies(system: SystemUnderTest, max_bytes: int) -> contextlib.AbstractAsyncContextManager[None]:
    async def lose() -> None:
        # Some writes are committed by their statement, which has their marker, others at the end of a transaction.
        marker = system.random.choice((system.load.requests.run, COMMIT))
        system.proxy.lose_replies(marker, 2, passing=system.random.randint(0, max_bytes))

    return repeating(lose, 0.1)
