"""Let a few tasks run at a time, and a few more wait."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class TooManyWaitingError(Exception):
    """As many tasks wait for their turn as may."""


class Turns:
    """Lets some tasks run at a time while some more may wait for their turn. `waiting` is how many wait."""

    def __init__(self, running: int, max_waiting: int) -> None:
        """At most `running` tasks run, and at most `max_waiting` wait."""
        self._free = asyncio.Semaphore(running)
        self._max_waiting = max_waiting
        self.waiting = 0

    @contextlib.asynccontextmanager
    async def turn(self, deadline: float) -> AsyncIterator[None]:
        """Run the block when it is its turn. `deadline` is a time of the event loop's clock.

        Raises `TooManyWaitingError` at once, or `TimeoutError` at the deadline.
        """
        if self._free.locked() and self.waiting >= self._max_waiting:
            raise TooManyWaitingError
        await self._wait(deadline)
        try:
            yield
        finally:
            self._free.release()

    async def _wait(self, deadline: float) -> None:
        self.waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                await self._free.acquire()
        finally:
            self.waiting -= 1
