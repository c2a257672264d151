"""Calls that wait for a change: one repeated statement answers all of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from service.api.turns import TooManyWaitingError, Turns
from service.database.errors import DatabaseError
from service.domain.feed import Position

# The number of calls of a worker that may wait for a change.
MAX_WAITING = 256
# How often the feed is looked at while a call waits. NOTIFY for each change would cost most of the speed of writing.
POLL_SECONDS = 0.15

log = structlog.get_logger()


class ChangeWatcher:
    """Lets calls wait until the feed has an event after their position, without a database connection.

    `turns` are those of reading the feed: many calls may be woken at once.
    """

    def __init__(self, turns: Turns, read_newest: Callable[[], Awaitable[Position | None]]) -> None:
        """`read_newest` returns the position of the last event that can be read."""
        self.turns = turns
        self._read_newest = read_newest
        self._newest = Position()
        self._waiting = 0
        self._wanted = asyncio.Event()
        self._changed = asyncio.Event()
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Look at the feed again and again, as long as calls wait."""
        while True:
            await self._wanted.wait()
            try:
                newest = await self._read_newest() or Position()
            except DatabaseError as error:
                log.info("change-feed-unreadable", reason=str(error))
            else:
                if newest != self._newest:
                    self._newest = newest
                    self._changed.set()
                    self._changed = asyncio.Event()
            await asyncio.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End all waiting, now and from now on."""
        self._stopped.set()
        self._changed.set()

    @contextlib.asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Count a call as waiting during the block. Raises `TooManyWaitingError` at once."""
        if self._waiting >= MAX_WAITING:
            raise TooManyWaitingError
        self._waiting += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._wanted.clear()

    async def wait(self, position: Position, seconds: float, pause: float) -> bool:
        """Wait up to `seconds` for an event after `position`, and at least `pause`; return whether there may be one.

        Call it within `waiting`. It ends early when the worker stops.
        """
        if pause:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), min(pause, seconds))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds - pause, 0)):
                while self._newest <= position and not self._stopped.is_set():
                    await self._changed.wait()
        return self._newest > position and not self._stopped.is_set()

    @property
    def waiting_calls(self) -> int:
        """Number of calls that wait."""
        return self._waiting

    @property
    def stopped(self) -> bool:
        """Whether waiting is over because the worker stops."""
        return self._stopped.is_set()
