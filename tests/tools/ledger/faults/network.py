"""Faults of the network between the service and PostgreSQL."""

import contextlib
from collections.abc import AsyncIterator

from tests.tools.ledger.faults.kinds import fault, repeating
from tests.tools.ledger.scene import Scene


@fault(5, long=15)
async def black_hole(scene: Scene) -> AsyncIterator[None]:
    """Nothing arrives and nobody is told; what was sent meanwhile arrives late."""
    with scene.proxy.black_hole():
        yield


@fault(1)
async def reset_connections(scene: Scene) -> AsyncIterator[None]:
    """All connections reset, again and again."""

    async def reset() -> None:
        scene.proxy.reset()

    async with repeating(reset, 0.2):
        yield


@fault(2, long=10, unknowns=0)
async def delay(scene: Scene) -> AsyncIterator[None]:
    """Everything takes 200 ms longer, either way."""
    scene.proxy.delay_seconds = 0.2
    try:
        yield
    finally:
        scene.proxy.delay_seconds = 0.0


@fault(2, long=10)
async def lose_replies(scene: Scene) -> AsyncIterator[None]:
    """The reply to a write is lost, again and again: the write is committed, and the service cannot know."""
    async with _losing(scene, most_bytes=0):
        yield


@fault(2, long=10)
async def cut_replies(scene: Scene) -> AsyncIterator[None]:
    """The same, but after some of the reply's bytes have passed."""
    async with _losing(scene, most_bytes=1_500):
        yield


def _losing(scene: Scene, most_bytes: int) -> contextlib.AbstractAsyncContextManager[None]:
    async def lose() -> None:
        scene.proxy.lose_replies(scene.load.requests.run, 2, passing=scene.random.randint(0, most_bytes))

    return repeating(lose, 0.1)
