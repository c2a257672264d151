"""Definition of a fault: how it starts and ends, how long it lasts, and how many unknown outcomes it may cause."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from tests.tools.ledger.infrastructure import Variant
from tests.tools.ledger.system import SystemUnderTest

Injection = Callable[[SystemUnderTest], AsyncIterator[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to inject. `seconds` is its duration in a short run (None: long runs only), `long_seconds` in a long one.

    `unknowns_per_second` limits the unknown outcomes: this many for each second, plus one second. Without a limit, a
    service that always answers "unknown" would pass.
    """

    name: str
    inject: Injection
    seconds: float | None
    long_seconds: float
    unknowns_per_second: int
    variant: Variant

    def duration_seconds(self, *, thorough: bool) -> float:
        """Duration of the fault."""
        return self.long_seconds if thorough or self.seconds is None else self.seconds

    def max_unknowns(self, *, thorough: bool) -> int:
        """Maximum number of unknown outcomes."""
        return round(self.unknowns_per_second * (1 + self.duration_seconds(thorough=thorough)))

    def active(self, system: SystemUnderTest) -> contextlib.AbstractAsyncContextManager[None]:
        """Return a context manager: the fault starts on entry and ends on exit."""
        return contextlib.asynccontextmanager(self.inject)(system)


def fault(
    seconds: float | None, *, long: float | None = None, unknowns_per_second: int = 64, variant: Variant = "plain"
) -> Callable[[Injection], Fault]:
    """Turn a generator that injects a fault, yields, and repairs it into a `Fault` with the generator's name."""

    def make(inject: Injection) -> Fault:
        name = getattr(inject, "__name__", "").replace("_", "-")
        return Fault(name, inject, seconds, long if long is not None else seconds or 0, unknowns_per_second, variant)

    return make


@contextlib.asynccontextmanager
async def repeating(action: Callable[[], Awaitable[None]], pause_seconds: float) -> AsyncIterator[None]:
    """Call `action` now and after every pause until the context ends. A call in progress is awaited."""
    ending = asyncio.Event()

    async def repeat() -> None:
        while not ending.is_set():
            await action()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), pause_seconds)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        ending.set()
        await task
