"""What a fault is: how it is brought about and ended, how long it lasts, and what it may cost at the most."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from tests.tools.ledger.backdrop import Stage
from tests.tools.ledger.scene import Scene

Act = Callable[[Scene], AsyncIterator[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that breaks. `seconds` is how long, in a short and in a long run; None: not in a short one.

    `unknowns` is how many outcomes may stay open for each second of it and one more, so that a service cannot pass by
    knowing nothing.
    """

    name: str
    act: Act
    seconds: float | None
    long_seconds: float
    unknowns: int
    stage: Stage

    def lasts(self, *, thorough: bool) -> float:
        """How long it lasts."""
        return self.long_seconds if thorough or self.seconds is None else self.seconds

    def bound(self, *, thorough: bool) -> int:
        """How many outcomes may stay unknown."""
        return round(self.unknowns * (1 + self.lasts(thorough=thorough)))

    def bringing_about(self, scene: Scene) -> contextlib.AbstractAsyncContextManager[None]:
        """Something is broken from the beginning of this context, and mended at its end."""
        return contextlib.asynccontextmanager(self.act)(scene)


def fault(
    seconds: float | None, *, long: float | None = None, unknowns: int = 64, stage: Stage = "plain"
) -> Callable[[Act], Fault]:
    """Make a generator that breaks something, yields, and mends it, into a fault of its name."""

    def make(act: Act) -> Fault:
        name = getattr(act, "__name__", "").replace("_", "-")
        return Fault(name, act, seconds, long if long is not None else seconds or 0, unknowns, stage)

    return make


@contextlib.asynccontextmanager
async def repeating(action: Callable[[], Awaitable[None]], pause_seconds: float) -> AsyncIterator[None]:
    """Do something again and again meanwhile, beginning now; what is under way at the end is ended first."""
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
