"""Natural batching: who shares a statement with whom."""

import asyncio
from collections.abc import Sequence

import pytest

from service.batching import MAX_ITEMS, Batcher

FAR = float("inf")


class Statement:
    """Stands at the end of a batcher: notes what it is given, and answers when it is let."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()

    async def run(self, items: Sequence[int]) -> list[int]:
        """The negative of each item; ZeroDivisionError if one of them is 0."""
        self.batches.append(list(items))
        await self.gate.wait()
        return [-(item * item // item) for item in items]


async def test_a_lone_call_waits_for_nobody() -> None:
    """A call that finds nothing under way is run by itself."""
    statement = Statement()
    statement.gate.set()
    batcher = Batcher(statement.run)
    assert [await batcher.submit(1, FAR), await batcher.submit(2, FAR)] == [-1, -2]
    assert statement.batches == [[1], [2]]


async def test_calls_that_find_one_under_way_share_the_next() -> None:
    """Whatever arrives meanwhile is run together, in order, and each gets its own result."""
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
    """No statement takes more than the most, however many wait."""
    statement = Statement()
    statement.gate.set()
    batcher = Batcher(statement.run)
    results = await asyncio.gather(*[batcher.submit(item, FAR) for item in range(1, 2 * MAX_ITEMS + 2)])
    assert results == [-item for item in range(1, 2 * MAX_ITEMS + 2)]
    assert [len(batch) for batch in statement.batches] == [MAX_ITEMS, MAX_ITEMS, 1]


async def test_an_error_reaches_all_of_its_batch_and_nobody_else() -> None:
    """What the statement raises is told to each call in it; the next batch runs as if nothing had been."""
    statement = Statement()
    statement.gate.set()
    batcher = Batcher(statement.run)
    failed = await asyncio.gather(batcher.submit(0, FAR), batcher.submit(1, FAR), return_exceptions=True)
    assert [type(error) for error in failed] == [ZeroDivisionError, ZeroDivisionError]
    assert await batcher.submit(2, FAR) == -2


async def test_a_call_given_up_while_it_waits_is_not_run() -> None:
    """Cancelled before its statement began, a call leaves nothing behind; its neighbours are run."""
    statement = Statement()
    batcher = Batcher(statement.run)
    first = batcher.submit(1, FAR)
    while not statement.batches:
        await asyncio.sleep(0)
    given_up, kept = batcher.submit(2, FAR), batcher.submit(3, FAR)
    given_up.cancel()
    statement.gate.set()
    assert [await first, await kept] == [-1, -3]
    assert statement.batches == [[1], [3]]


async def test_a_call_given_up_while_it_runs_harms_no_neighbour() -> None:
    """Cancelled once its statement is under way, a call is run all the same, and its neighbours are answered."""
    statement = Statement()
    batcher = Batcher(statement.run)
    given_up, kept = batcher.submit(1, FAR), batcher.submit(2, FAR)
    while not statement.batches:
        await asyncio.sleep(0)
    given_up.cancel()
    statement.gate.set()
    assert await kept == -2
    assert statement.batches == [[1, 2]]
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_close_waits_for_what_was_submitted() -> None:
    """Closing returns once everything has its result."""
    statement = Statement()
    statement.gate.set()
    batcher = Batcher(statement.run)
    waiting = [batcher.submit(item, FAR) for item in (1, 2)]
    await batcher.close()
    assert [future.result() for future in waiting] == [-1, -2]
