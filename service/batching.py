"""Natural batching: a call that finds a statement in flight joins the next one, so a lone call waits for nobody."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Measured: smaller batches cost more at 512 connections, larger ones gain nothing.
MAX_ITEMS = 64


class Batcher(Generic[Item, Result]):
    """Runs calls together that arrive while an earlier batch is under way. No timer is involved."""

    def __init__(self, run: Callable[[Sequence[Item]], Coroutine[Any, Any, Sequence[Result]]]) -> None:
        """`run` takes at most `MAX_ITEMS` items and gives their results in order; what it raises is every item's."""
        self._run = run
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._running: asyncio.Task[Sequence[Result]] | None = None
        self.batches = 0  # how many were run
        self.items = 0  # how many were in them

    @property
    def waiting(self) -> int:
        """How many items wait for the next batch."""
        return len(self._waiting)

    def submit(self, item: Item) -> "asyncio.Future[Result]":
        """The result of `item`, to come. Cancelled while it waits, it is not run; later, it is run all the same."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._start()
        return future

    async def close(self) -> None:
        """Wait until everything submitted has been run."""
        while self._running is not None:
            await asyncio.wait((self._running,))

    def _start(self) -> None:
        futures: list[asyncio.Future[Result]] = []
        self._running = asyncio.create_task(self._run_waiting(futures))
        self._running.add_done_callback(partial(self._deliver, futures))

    async def _run_waiting(self, futures: "list[asyncio.Future[Result]]") -> Sequence[Result]:
        """Begins in the loop's next turn: whatever else this turn brings is in the batch."""
        items: list[Item] = []
        while self._waiting and len(items) < MAX_ITEMS:
            item, future = self._waiting.popleft()
            if not future.done():
                items.append(item)
                futures.append(future)
        self.batches += bool(items)
        self.items += len(items)
        return await self._run(items) if items else ()

    def _deliver(self, futures: "list[asyncio.Future[Result]]", done: "asyncio.Task[Sequence[Result]]") -> None:
        self._running = None
        if self._waiting:
            self._start()
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is None:
            for future, result in zip(futures, done.result(), strict=True):
                if not future.done():
                    future.set_result(result)
        else:
            for future in futures:
                if not future.done():
                    future.set_exception(error)
