"""Measure calls that a fault does not concern: they must succeed, and hardly take longer than before it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from tests.tools.benchmark.figures import percentile
from tests.tools.ledger.faults.fault import repeating
from tests.tools.ledger.requests import Request
from tests.tools.ledger.system import SystemUnderTest

CALM_SECONDS = 1.0
CLIENTS = 4
PAUSE_SECONDS = 0.005

# The p99 latency during the fault may be this many times that of the calm time before it.
MAX_RATIO = 5
# On a busy machine, shorter latencies say nothing.
MIN_LIMIT_SECONDS = 0.1

FLOOD_INTERVAL_SECONDS = 0.05


@contextlib.asynccontextmanager
async def neighbours(system: SystemUnderTest) -> AsyncIterator[None]:
    """Call all the time, before the fault, which begins when this returns, and during it.

    Raises `AssertionError` if a call during the fault failed, or if they took too long.
    """
    calm: list[float] = []
    faulty: list[float] = []
    failed: list[str] = []
    latencies, ending = calm, asyncio.Event()

    async def call_all_the_time() -> None:
        client = system.load.http_client(keep_alive=True)
        while not ending.is_set():
            began, into = system.history.now, latencies
            result = await system.load.attempt(system.load.requests.make(), client)
            into.append(system.history.now - began)
            if result.outcome != "ok":
                failed.append(f"{result.status} {result.outcome_header}")
            await asyncio.sleep(PAUSE_SECONDS)
        client.close()

    calling = [asyncio.create_task(call_all_the_time()) for _ in range(CLIENTS)]
    try:
        await asyncio.sleep(CALM_SECONDS)
        latencies = faulty
        yield
    finally:
        ending.set()
        await asyncio.gather(*calling)
    assert not failed, f"{len(failed)} of {len(faulty)} neighbours failed: {failed[0]}"
    before, during = (percentile(sorted(found), 99) for found in (calm, faulty))
    limit = max(MAX_RATIO * before, MIN_LIMIT_SECONDS)
    assert during <= limit, f"neighbours: p99 {during * 1000:.0f} ms, {before * 1000:.0f} ms before the fault"


@contextlib.asynccontextmanager
async def flood(system: SystemUnderTest, make: Callable[[], Request], per_second: int) -> AsyncIterator[None]:
    """Send these requests at a constant rate until the context ends, whether or not they are answered; await them."""
    sent: list[asyncio.Task[object]] = []

    async def send() -> None:
        requests = [make() for _ in range(round(per_second * FLOOD_INTERVAL_SECONDS))]
        sent.extend(asyncio.create_task(system.load.attempt(one, system.load.http_client())) for one in requests)

    async with repeating(send, FLOOD_INTERVAL_SECONDS):
        yield
    await asyncio.gather(*sent)
