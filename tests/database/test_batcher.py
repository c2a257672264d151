"""Natural batching: which items form a batch, deadlines, errors and cancellation."""

import asyncio
from collections.abc import Sequence

import pytest

from service.database.batcher import MAX_ITEMS, Batcher
from service.database.errors import ConnectionLost, NotConnected

FAR = float("inf")


class Statement:
    """Replaces the database statement: records its batches, and returns once `gate` is set."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()

    async def run(self, items: Sequence[int]) -> list[int]:
        """Return the negative of each item; raises ZeroDivisionError if one is 0."""
        self.batches.append(list(items))
        await self.gate.wait()
        return [-(item * item // item) for item in items]


async def test_a_lone_item_is_run_at_once() -> None:
    """An item submitted while no batch is in flight is run in a batch of its own."""
    statement = Statement()
    statement.gate.set()
    batcher = Batcher(statement.run)
    assert [await batcher.submit(1, FAR), await batcher.submit(2, FAR)] == [-1, -2]
    assert statement.batches == [[1], [2]]


async def test_items_submitted_during_a_batch_share_the_next() -> None:
    """Items submitted while a batch is in flight are run together, in order, each with its own result."""
    statement = Statement()
    batcher = Batcher(statement.run)
    first = batcher.submit(1, FAR)
    while not statement.batches:
        await asyncio.sleep(0)
    others = [batcher.submit(item, FAR) for item in (2, 3, 4)]
    statement.gate.set()
    assert await asyncio.gather(first, *others) == [-1, -2, -3, -4]
    assert statement.batches == [[1], [2, 3, 4]]


async def test_batches_are_bounded() -> None:
    """A batch has at most MAX_ITEMS items."""
    statement = Statement()
    statement.gate.set()
    batcher = Batcher(statement.run)
    results = await asyncio.gather(*[batcher.submit(item, FAR) for item in range(1, 2 * MAX_ITEMS + 2)])
    assert results == [-item for item in range(1, 2 * MAX_ITEMS + 2)]
    assert [len(batch) for batch in statement.batches] == [MAX_ITEMS, MAX_ITEMS, 1]


async def test_an_error_fails_its_batch_only() -> None:
    """If the statement raises, each item of the batch fails; the next batch is not affected."""
    statement = Statement()
    statement.gate.set()
    batcher = Batcher(statement.run)
    failed = await asyncio.gather(batcher.submit(0, FAR), batcher.submit(1, FAR), return_exceptions=True)
    assert [type(error) for error in failed] == [ZeroDivisionError, ZeroDivisionError]
    assert await batcher.submit(2, FAR) == -2


async def test_an_item_cancelled_while_waiting_is_not_run() -> None:
    """An item cancelled before its batch starts is not run; the others are."""
    statement = Statement()
    batcher = Batcher(statement.run)
    first = batcher.submit(1, FAR)
    while not statement.batches:
        await asyncio.sleep(0)
    cancelled, kept = batcher.submit(2, FAR), batcher.submit(3, FAR)
    cancelled.cancel()
    statement.gate.set()
    assert [await first, await kept] == [-1, -3]
    assert statement.batches == [[1], [3]]


async def test_an_item_cancelled_in_flight_does_not_affect_others() -> None:
    """An item cancelled while its batch is in flight is still run, and the others get their results."""
    statement = Statement()
    batcher = Batcher(statement.run)
    cancelled, kept = batcher.submit(1, FAR), batcher.submit(2, FAR)
    while not statement.batches:
        await asyncio.sleep(0)
    cancelled.cancel()
    statement.gate.set()
    assert await kept == -2
    assert statement.batches == [[1, 2]]
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_close_waits_for_submitted_items() -> None:
    """`close` returns once every item has its result."""
    statement = Statement()
    statement.gate.set()
    batcher = Batcher(statement.run)
    waiting = [batcher.submit(item, FAR) for item in (1, 2)]
    await batcher.close()
    assert [future.result() for future in waiting] == [-1, -2]


async def test_a_deadline_that_passes_while_waiting() -> None:
    """An item whose deadline passes while it waits fails as not sent, and is never run."""
    statement = Statement()
    batcher = Batcher(statement.run)
    first = batcher.submit(1, FAR)
    while not statement.batches:
        await asyncio.sleep(0)
    late = batcher.submit(2, asyncio.get_running_loop().time())
    with pytest.raises(NotConnected):
        await late
    kept = batcher.submit(3, FAR)
    statement.gate.set()
    assert [await first, await kept] == [-1, -3]
    assert statement.batches == [[1], [3]]


async def test_a_deadline_that_passes_in_flight() -> None:
    """An item whose deadline passes in flight fails with unknown outcome; the others get their results."""
    statement = Statement()
    batcher = Batcher(statement.run)
    late, kept = batcher.submit(1, asyncio.get_running_loop().time() + 0.05), batcher.submit(2, FAR)
    with pytest.raises(ConnectionLost):
        await late
    statement.gate.set()
    assert await kept == -2
    assert statement.batches == [[1, 2]]


async def test_each_item_has_its_own_deadline() -> None:
    """Items fail at their own deadlines, in whatever order they were submitted."""
    statement = Statement()
    batcher = Batcher(statement.run)
    now = asyncio.get_running_loop().time()
    calls = [batcher.submit(number, now + number / 50) for number in (3, 1, 2)]
    done, pending = await asyncio.wait(calls, return_when=asyncio.FIRST_EXCEPTION)
    assert (done, pending) == ({calls[1]}, {calls[0], calls[2]})
    failed = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in failed] == [ConnectionLost] * 3
    statement.gate.set()
    await batcher.close()
