"""Bound the calls that wait for a lock, so that one locked row or table takes no more than its share."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Hashable

from service.database.errors import NotConnected

# A statement that has been running for longer probably waits for a lock.
STUCK_SECONDS = 0.1

# One target may hold this part of all calls, and half of all statements.
SHARES = 4


class TooManyBlocked(NotConnected):
    """Too many calls wait for the same lock, or for any. The statement was not sent."""


class _Target:
    """The calls that wait for one row or table."""

    __slots__ = ("calls", "slots", "started")

    def __init__(self, slots: int) -> None:
        self.calls = 0
        self.slots = asyncio.Semaphore(slots)
        self.started: deque[float] = deque()


class BlockedCalls:
    """Gives turns to calls that may have to wait for a lock.

    Calls beyond the bound are refused while the turns before them do not end. A target whose statements end quickly,
    such as a row that does not exist, refuses nobody.
    """

    def __init__(self, statements: int, max_calls: int) -> None:
        """At most `statements` run at once. `max_calls` is the number of calls from which on calls are refused."""
        self._slots = asyncio.Semaphore(statements)
        self._slots_per_target = max(1, statements // 2)
        self._statements = statements
        self._targets: dict[Hashable, _Target] = {}
        self.max_calls = max(1, max_calls)
        self.max_calls_per_target = max(1, max_calls // SHARES)
        self.calls = 0  # running or waiting for their turn

    @contextlib.asynccontextmanager
    async def turn(self, name: Hashable, until: float) -> AsyncIterator[None]:
        """Wait for a turn to run one statement that may wait for the lock of the target `name`.

        Raises `TooManyBlocked`, or `TimeoutError` if there is no turn until `until` on the event loop's clock.
        """
        target = self._targets.get(name) or _Target(self._slots_per_target)
        if self._is_full(target):
            raise TooManyBlocked("too many calls wait for a lock")
        self._targets[name] = target
        target.calls += 1
        self.calls += 1
        try:
            async with contextlib.AsyncExitStack() as held:
                async with asyncio.timeout_at(until):
                    await held.enter_async_context(target.slots)
                    await held.enter_async_context(self._slots)
                started = asyncio.get_running_loop().time()
                target.started.append(started)
                held.callback(target.started.remove, started)
                yield
        finally:
            self.calls -= 1
            target.calls -= 1
            if not target.calls:
                del self._targets[name]

    def _is_full(self, target: _Target) -> bool:
        if target.calls >= self.max_calls_per_target and self._is_stuck(target):
            return True
        return self.calls >= self.max_calls and sum(map(self._is_stuck, self._targets.values())) > 0

    @staticmethod
    def _is_stuck(target: _Target) -> bool:
        return bool(target.started) and asyncio.get_running_loop().time() - target.started[0] > STUCK_SECONDS
