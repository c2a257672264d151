"""Faults of those who call: they leave, repeat themselves, come in crowds, or say nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.factories import CREATE
from tests.tools.ledger.faults.kinds import fault, repeating
from tests.tools.ledger.outcomes import CUT_SHORT, GONE, Seen
from tests.tools.ledger.requests import Request
from tests.tools.ledger.scene import Scene
from tests.tools.ledger.wire import NotSentError

AT_ONCE = 16
CROWD = 1_900


async def _leave(scene: Scene, request: Request, part: bytes, seconds: float, seen: Seen) -> None:
    """Send a part of a request, all of it perhaps, and hang up after some time."""
    wire = scene.load.wire()
    attempt = scene.load.begin(request)
    with contextlib.suppress(NotSentError, OSError):
        _, writer = await wire.connected()
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(seconds)
    wire.close()
    scene.load.end(request, attempt, seen)


@fault(1, unknowns=0)
async def leave_before_the_body_ends(scene: Scene) -> AsyncIterator[None]:
    """Clients that hang up in the middle of their request."""

    async def leave() -> None:
        requests = [scene.load.requests.make() for _ in range(AT_ONCE)]
        parts = [request.head + request.body[: len(request.body) // 2] for request in requests]
        await asyncio.gather(
            *(_leave(scene, request, part, 0.01, CUT_SHORT) for request, part in zip(requests, parts, strict=True))
        )

    async with repeating(leave, 0.05):
        yield


@fault(2, unknowns=1_000)
async def leave_before_the_answer(scene: Scene) -> AsyncIterator[None]:
    """Clients that hang up once they have asked, at once or a little later; those with a key ask again."""

    async def leave_and_return(request: Request) -> None:
        await _leave(scene, request, request.message, scene.random.choice((0, 0.001, 0.005, 0.02)), GONE)
        if request.idempotency_key:
            await scene.load.attempt(request, scene.load.wire())

    async def leave() -> None:
        requests = [scene.load.requests.make(keyed=number % 2 == 0) for number in range(AT_ONCE)]
        await asyncio.gather(*map(leave_and_return, requests))

    async with repeating(leave, 0.05):
        yield


@fault(1, unknowns=0)
async def retry_64_at_once(scene: Scene) -> AsyncIterator[None]:
    """One request with a key, 64 times at the same time, again and again."""

    async def retry() -> None:
        request = scene.load.requests.make(keyed=True)
        await asyncio.gather(*(scene.load.attempt(request, scene.load.wire()) for _ in range(64)))

    async with repeating(retry, 0.05):
        yield


@fault(4, long=30)
async def overload(scene: Scene) -> AsyncIterator[None]:
    """Thirty times the clients: more than may wait for the database, so that some are refused at once."""
    async with scene.load.clients(CROWD):
        yield


@fault(2, long=20, unknowns=0)
async def idle_connections(scene: Scene) -> AsyncIterator[None]:
    """A thousand connections on which nothing is ever asked, and bodies that come a byte at a time."""
    wires = [scene.load.wire() for _ in range(5_000 if scene.thorough else 1_000)]
    try:
        for wire in wires:
            await wire.connected()
        async with _dripping(scene):
            yield
    finally:
        for wire in wires:
            wire.close()


@contextlib.asynccontextmanager
async def _dripping(scene: Scene) -> AsyncIterator[None]:
    head = f"POST {CREATE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
    wires = [scene.load.wire() for _ in range(50)]
    writers = [(await wire.connected())[1] for wire in wires]
    for writer in writers:
        writer.write(head.encode())

    async def drip() -> None:
        for writer in writers:
            if not writer.is_closing():  # the service may have had enough of it
                writer.write(b" ")

    try:
        async with repeating(drip, 0.2):
            yield
    finally:
        for wire in wires:
            wire.close()
