"""Natural batching: items submitted while a batch is in flight form the next batch. A lone item is run at once."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

from service.database.errors import ConnectionLost, NotConnected

Item = TypeVar("Item")
Result = TypeVar("Result")

# Measured: smaller batches cost more at 512 connections, larger ones gain nothing.
MAX_ITEMS = 64


class _Call(Generic[Item, Result]):
    """One item, its deadline, and the future that receives its result."""

    __slots__ = ("deadline", "future", "item")

    def __init__(self, item: Item, deadline: float, future: "asyncio.Future[Result]") -> None:
        self.item = item
        self.deadline = deadline
        self.future = future


class Batcher(Generic[Item, Result]):
    """Runs items in batches, one batch at a time.

    There is no batching delay: the next batch starts as soon as the previous one ends.
    """

    def __init__(self, run: Callable[[Sequence[Item]], Coroutine[Any, Any, Sequence[Result]]]) -> None:
        """`run` takes up to `MAX_ITEMS` items and returns their results in order. If it raises, every item fails."""
        self._run = run
        self._waiting: deque[_Call[Item, Result]] = deque()
        self._in_flight: Sequence[_Call[Item, Result]] = ()
        self._running: asyncio.Task[Sequence[Result]] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self.batches = 0  # batches started
        self.items = 0  # items in those batches

    @property
    def waiting(self) -> int:
        """Number of items that wait for the next batch."""
        return len(self._waiting)

    @property
    def outstanding(self) -> int:
        """Number of items that wait or are in flight."""
        return len(self._waiting) + len(self._in_flight)

    def submit(self, item: Item, deadline: float) -> "asyncio.Future[Result]":
        """Queue `item` and return the future of its result. `deadline` is in seconds on the event loop's clock.

        The future raises what `run` raises. If the deadline passes before the item's batch starts, the future raises
        `NotConnected` and the item is never run. If it passes later, the future raises `ConnectionLost` and the item
        is still run. Cancelling the future has the same effect on the item.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append(_Call(item, deadline, future))
        if deadline < self._timer_at:
            self._set_timer(deadline)
        if self._running is None:
            self._start()
        return future

    async def close(self) -> None:
        """Wait until all submitted items have been run."""
        while self._running is not None:
            await asyncio.wait((self._running,))
        self._set_timer(math.inf)

    def _start(self) -> None:
        self._running = asyncio.create_task(self._run_waiting())
        self._running.add_done_callback(self._resolve)

    async def _run_waiting(self) -> Sequence[Result]:
        # This task starts on the loop's next turn, so the batch contains all items submitted during the current one.
        batch = self._in_flight = self._next_calls()
        if not batch:
            return ()
        self.batches += 1
        self.items += len(batch)
        return await self._run([call.item for call in batch])

    def _next_calls(self) -> list[_Call[Item, Result]]:
        calls: list[_Call[Item, Result]] = []
        while self._waiting and len(calls) < MAX_ITEMS:
            call = self._waiting.popleft()
            if not call.future.done():
                calls.append(call)
        return calls

    def _resolve(self, done: "asyncio.Task[Sequence[Result]]") -> None:
        batch, self._in_flight, self._running = self._in_flight, (), None
        if self._waiting:
            self._start()
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is None:
            for call, result in zip(batch, done.result(), strict=True):
                if not call.future.done():
                    call.future.set_result(result)
        else:
            _fail(batch, error)

    def _set_timer(self, deadline: float) -> None:
        """Set the timer that all calls share. It fires at the earliest deadline."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = deadline
        if deadline < math.inf:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._expire)

    def _expire(self) -> None:
        now = asyncio.get_running_loop().time()
        unsent = NotConnected("the deadline passed before the statement was sent")
        unknown = ConnectionLost("the deadline passed while the statement ran")
        _fail([call for call in self._waiting if call.deadline <= now], unsent)
        _fail([call for call in self._in_flight if call.deadline <= now], unknown)
        later = (call.deadline for call in (*self._waiting, *self._in_flight) if call.deadline > now)
        self._set_timer(min(later, default=math.inf))


def _fail(calls: Sequence[_Call[Any, Any]], error: BaseException) -> None:
    for call in calls:
        if not call.future.done():
            call.future.set_exception(error)
