"""Natural batching: a call that finds a statement in flight joins the next one, so a lone call waits for nobody."""

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
    """One item, by when its result is wanted, and where that goes."""

    __slots__ = ("deadline", "future", "item")

    def __init__(self, item: Item, deadline: float, future: "asyncio.Future[Result]") -> None:
        self.item = item
        self.deadline = deadline
        self.future = future


class Batcher(Generic[Item, Result]):
    """Runs calls together that arrive while an earlier batch is under way. No timer decides when one begins."""

    def __init__(self, run: Callable[[Sequence[Item]], Coroutine[Any, Any, Sequence[Result]]]) -> None:
        """`run` takes at most `MAX_ITEMS` items and gives their results in order; what it raises is every item's."""
        self._run = run
        self._waiting: deque[_Call[Item, Result]] = deque()
        self._begun: Sequence[_Call[Item, Result]] = ()
        self._running: asyncio.Task[Sequence[Result]] | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._expires_at = math.inf
        self.batches = 0  # how many were run
        self.items = 0  # how many were in them

    @property
    def waiting(self) -> int:
        """How many items wait for the next batch."""
        return len(self._waiting)

    @property
    def outstanding(self) -> int:
        """How many items wait, or are being run."""
        return len(self._waiting) + len(self._begun)

    def submit(self, item: Item, deadline: float) -> "asyncio.Future[Result]":
        """The result of `item`, to come by `deadline` on the event loop's clock.

        It raises what running the item raises. Out of time, it raises `NotConnected` if the item was not begun, and
        then never is; else `ConnectionLost`, and the item is run all the same. Cancelled, it is taken likewise.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append(_Call(item, deadline, future))
        if deadline < self._expires_at:
            self._expire_at(deadline)
        if self._running is None:
            self._start()
        return future

    async def close(self) -> None:
        """Wait until everything submitted has been run."""
        while self._running is not None:
            await asyncio.wait((self._running,))
        self._expire_at(math.inf)

    def _start(self) -> None:
        self._running = asyncio.create_task(self._run_waiting())
        self._running.add_done_callback(self._deliver)

    async def _run_waiting(self) -> Sequence[Result]:
        """Begins in the loop's next turn: whatever else this turn brings is in the batch."""
        begun = self._begun = self._next_calls()
        if not begun:
            return ()
        self.batches += 1
        self.items += len(begun)
        return await self._run([call.item for call in begun])

    def _next_calls(self) -> list[_Call[Item, Result]]:
        calls: list[_Call[Item, Result]] = []
        while self._waiting and len(calls) < MAX_ITEMS:
            call = self._waiting.popleft()
            if not call.future.done():
                calls.append(call)
        return calls

    def _deliver(self, done: "asyncio.Task[Sequence[Result]]") -> None:
        begun, self._begun, self._running = self._begun, (), None
        if self._waiting:
            self._start()
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is None:
            for call, result in zip(begun, done.result(), strict=True):
                if not call.future.done():
                    call.future.set_result(result)
        else:
            _fail(begun, error)

    def _expire_at(self, deadline: float) -> None:
        """Have one timer for all, at the first deadline; it costs a call nothing while each is met."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        self._expires_at = deadline
        if deadline < math.inf:
            self._expiry = asyncio.get_running_loop().call_at(deadline, self._expire)

    def _expire(self) -> None:
        now = asyncio.get_running_loop().time()
        _fail([call for call in self._waiting if call.deadline <= now], NotConnected("no time was left to begin"))
        _fail([call for call in self._begun if call.deadline <= now], ConnectionLost("time ran out"))
        left = (call.deadline for call in (*self._waiting, *self._begun) if call.deadline > now)
        self._expire_at(min(left, default=math.inf))


def _fail(calls: Sequence[_Call[Any, Any]], error: BaseException) -> None:
    for call in calls:
        if not call.future.done():
            call.future.set_exception(error)
