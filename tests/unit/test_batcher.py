"""Natural batching: who shares a statement with whom."""

import asyncio
from collections.abc import Sequence

import pytest

from service.database.batcher import MAX_ITEMS, Batcher
from service.database.errors import ConnectionLost, NotConnected

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


async def test_a_call_out_of_time_before_it_began_is_never_run() -> None:
    """Past its deadline while it waits, a call fails as one that was not sent, and no later batch holds it."""
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


async def test_a_call_out_of_time_while_it_runs_may_have_been_carried_out() -> None:
    """Past its deadline while its statement runs, a call fails as one of unknown outcome; its neighbour is answered."""
    statement = Statement()
    batcher = Batcher(statement.run)
    late, kept = batcher.submit(1, asyncio.get_running_loop().time() + 0.05), batcher.submit(2, FAR)
    with pytest.raises(ConnectionLost):
        await late
    statement.gate.set()
    assert await kept == -2
    assert statement.batches == [[1, 2]]


async def test_each_deadline_is_kept() -> None:
    """Calls with other deadlines than those before them, earlier or later ones, each fail at their own."""
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
