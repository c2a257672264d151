"""Carry out batches so that a repeated attempt makes the same changes, never others."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from service.api.write_attempts import may_be_written, pause_before_retry, refusal_after, seconds_left
from service.config import DatabaseConfig
from service.database.errors import (
    ConstraintViolated,
    DatabaseError,
    NotConnected,
    ResultUnreadable,
    RetryableError,
)
from service.domain import idempotency
from service.domain.requirement_batches import (
    MAX_SYNCED,
    BatchCall,
    KeyUsedBefore,
    NewItem,
    RowsDiscarded,
    Sync,
    TooManyRequirements,
)
from service.domain.statuses import ApplicationCrash, InvalidParam, ParamError
from service.storage.requirement_batches import ItemResult, RequirementBatchStore
from service.storage.requirement_syncs import RequirementSyncStore, SyncResult

T = TypeVar("T")

Attempt = Callable[..., Awaitable[T]]  # takes `repeated` and `timeout`


class RequirementBatchWriter:
    """Carries out each batch with one definite result, or raises with the outcome that its caller must know.

    As many batches run at a time as the pool for them has connections, so that they delay single requests little.
    Deadlines are on the event loop's clock. Each method raises `ApplicationCrash`, whose outcome says whether anything
    may have been changed, or `InvalidParam` for an Idempotency-Key that was used before with other params.
    """

    def __init__(self, batches: RequirementBatchStore, syncs: RequirementSyncStore, config: DatabaseConfig) -> None:
        """`config` gives the number of connections, and how long a statement may wait for a lock."""
        self._batches = batches
        self._syncs = syncs
        self._lock_timeout_seconds = config.lock_timeout_seconds
        self._turns = asyncio.Semaphore(config.batch_pool_size)
        self._running: set[asyncio.Task[Any]] = set()

    @property
    def outstanding(self) -> int:
        """How many batches are running or waiting."""
        return len(self._running)

    async def create(self, call: BatchCall, items: Sequence[NewItem], deadline: float) -> Mapping[int, ItemResult]:
        """Write the requirements of these items whose references exist; if the call is atomic, all or none."""
        return await self._until_definite(call, partial(self._batches.create, call, items), deadline, _is_definite)

    async def destroy(self, call: BatchCall, ids: Mapping[int, int], deadline: float) -> Mapping[int, ItemResult]:
        """Delete the requirements of these ids, which are by item; if the call is atomic, all or none.

        Those that do not exist, or that the caller does not see, have no result.
        """
        return await self._until_definite(call, partial(self._batches.destroy, call, ids), deadline)

    async def sync(self, call: BatchCall, sync: Sync, deadline: float) -> SyncResult:
        """Make what a thing requires equal to the list of the sync."""
        try:
            return await self._until_definite(call, partial(self._syncs.sync, call, sync), deadline)
        except TooManyRequirements:
            problem = f"has more than {MAX_SYNCED} requirements: name the keys that are in question"
            raise InvalidParam(ParamError("requireable", problem)) from None
        except RowsDiscarded as error:
            raise ApplicationCrash from error

    async def _until_definite(
        self,
        call: BatchCall,
        attempt: Attempt[T],
        deadline: float,
        is_definite: Callable[[T], bool] = lambda _: True,
    ) -> T:
        """Attempt the batch until it has a definite result. Its request_uids make repeated attempts safe.

        Attempts at one call take turns, so that a later one sees all that an earlier one has done. But the server may
        not have begun an attempt whose connection was lost: `is_definite` says whether a result holds nevertheless.
        """
        keyed = call.params_digest is not None
        unknown = collided = False
        retries = 0
        while True:
            repeated = keyed or unknown or collided
            try:
                result = await self._in_own_task(self._in_turn(attempt, deadline, repeated=repeated))
            except KeyUsedBefore:
                raise InvalidParam(ParamError(idempotency.HEADER, "was used before, with other params")) from None
            except DatabaseError as error:
                unknown = unknown or may_be_written(error, keyed=keyed)
                pause = pause_before_retry(error, retries, unknown=unknown)
                if isinstance(error, ConstraintViolated) and not collided:
                    # Another attempt was committed while this one ran: the next one finds it.
                    collided, pause = True, 0.0
                if pause is None or seconds_left(deadline) <= pause:
                    raise refusal_after(error, unknown=unknown)  # noqa: B904 - it has its cause
                retries += isinstance(error, RetryableError | ResultUnreadable)
                await asyncio.sleep(pause)
            else:
                if unknown and not is_definite(result):
                    raise ApplicationCrash(outcome="unknown")
                return result

    async def _in_turn(self, attempt: Attempt[T], deadline: float, *, repeated: bool) -> T:
        try:
            async with asyncio.timeout_at(deadline - self._lock_timeout_seconds):
                await self._turns.acquire()
        except TimeoutError:
            # Nothing was sent yet. Later, the server may still be running the statement at the deadline.
            raise NotConnected("no time was left to wait for other batches") from None
        try:
            return await attempt(repeated=repeated, timeout=seconds_left(deadline))
        finally:
            self._turns.release()

    async def _in_own_task(self, attempt: Coroutine[Any, Any, T]) -> T:
        """Run an attempt that continues if the request is cancelled."""
        task = asyncio.create_task(attempt)
        self._running.add(task)
        task.add_done_callback(self._on_done)
        return await asyncio.shield(task)

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved, in case the request was cancelled

    async def close(self) -> None:
        """Wait for all batches, including those whose request was cancelled."""
        if self._running:
            await asyncio.wait(self._running)


def _is_definite(results: Mapping[int, ItemResult]) -> bool:
    """Whether the result of a create holds although an earlier attempt may still be carried out.

    It may then find references that this one did not. One that has written was committed as a whole.
    """
    refused = any(result.requirement is None for result in results.values())
    return not refused or any(result.repeated for result in results.values())
