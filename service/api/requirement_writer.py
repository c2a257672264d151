"""Write requirements so that a repeated attempt writes the same requirement, never a second one."""

import asyncio
import contextlib
from collections.abc import Coroutine, Hashable
from typing import Any

from service.api.blocked_calls import BlockedCalls
from service.api.insert_batches import OF_ONE_CALL, Alone, InsertBatches
from service.api.write_attempts import may_be_written, pause_before_retry, refusal_after, seconds_left
from service.config import DatabaseConfig
from service.database.batcher import Batcher
from service.database.errors import ConnectionLost, DatabaseError, StatementTimeout
from service.domain import idempotency
from service.domain.requirements import NewRequirement, Requirement
from service.domain.statuses import ApplicationCrash, InvalidParam, ParamError
from service.storage.requirements import InsertResult, RequirementStore


class RequirementWriter:
    """Writes each requirement to one definite result, or raises with the outcome that its caller must know."""

    def __init__(self, store: RequirementStore, config: DatabaseConfig, max_blocked: int) -> None:
        """`config` gives the number of connections, and how long a statement may wait for a lock.

        `max_blocked` is how many calls may wait for locks.
        """
        self._store = store
        self._lock_timeout_seconds = config.lock_timeout_seconds
        # Statements that wait for locks must leave connections for those that do not.
        self._blocked = BlockedCalls(max(1, config.pool_size // 2), max_blocked)
        self._alone_slots = asyncio.Semaphore(max(1, config.pool_size // 4))
        self._inserts = InsertBatches(store)
        self.writes = Batcher(self._inserts.insert)
        self._single_writes: set[asyncio.Task[InsertResult]] = set()

    @property
    def outstanding(self) -> int:
        """How many writes are running or waiting, without those within the bound of calls that wait for locks."""
        return self.writes.outstanding + len(self._single_writes) - min(self._blocked.calls, self._blocked.max_calls)

    @property
    def locked_types(self) -> frozenset[str]:
        """The association types whose tables are locked, as last found."""
        return self._inserts.locked_types

    async def write(self, item: NewRequirement, deadline: float) -> InsertResult:
        """Write `item`, if its token is valid and its references exist. `deadline` is on the event loop's clock.

        For a valid token, the result has no requirement only if a reference does not exist, or if the row of an
        earlier call was deleted at this moment. Without an Idempotency-Key, a result with a requirement is always
        `created`.

        Raises `ApplicationCrash`, whose outcome says whether the write may have happened, or `InvalidParam` for a
        value that PostgreSQL cannot store.
        """
        result = await self._write_until_definite(item, deadline)
        if result.requirement is None and result.lookup.refusal is None:
            result = await self._find_existing(item, result, deadline)
        if item.params_digest is None and result.requirement is not None and not result.created:
            # Without a key, only an earlier attempt of this call can have written the row.
            return result._replace(created=True)
        return result

    async def _write_until_definite(self, item: NewRequirement, deadline: float) -> InsertResult:
        """Attempt the write until it has a definite result. The request_uid makes repeated attempts safe.

        Once the outcome of one attempt is unknown, only a returned row is definite: that attempt may still be running.
        """
        unknown = alone = False
        retries = 0  # after errors that concern this call only
        while True:
            try:
                result = await self._attempt(item, deadline, alone=alone)
            except DatabaseError as error:
                unknown = unknown or may_be_written(error, keyed=item.params_digest is not None)
                item = item._replace(retried=unknown)
                pause = pause_before_retry(error, retries, unknown=unknown)
                if pause is None or seconds_left(deadline) <= pause:
                    raise refusal_after(error, unknown=unknown)  # noqa: B904 - it has its cause
                if isinstance(error, OF_ONE_CALL):
                    alone = True
                    retries += 1
                await asyncio.sleep(pause)
            else:
                if result.requirement is None and unknown:
                    raise ApplicationCrash(outcome="unknown")
                return result

    async def _attempt(self, item: NewRequirement, deadline: float, *, alone: bool) -> InsertResult:
        """Write `item` in a batch; then alone, if it may have to wait for a lock or if the batch failed.

        With `alone`, it is not written in a batch: it may be the one on which the last batch failed.
        """
        result = Alone() if alone else await self.writes.submit(item, deadline)
        if isinstance(result, InsertResult):
            return result
        try:
            async with asyncio.timeout_at(deadline):
                return await self._in_own_task(self._write_alone(item, deadline, result.target))
        except TimeoutError as error:
            raise ConnectionLost("time ran out") from error

    async def _write_alone(self, item: NewRequirement, deadline: float, target: Hashable) -> InsertResult:
        until = deadline - self._lock_timeout_seconds
        async with contextlib.AsyncExitStack() as held:
            try:
                if target is None:
                    async with asyncio.timeout_at(until):
                        await held.enter_async_context(self._alone_slots)
                else:
                    await held.enter_async_context(self._blocked.turn(target, until))
            except TimeoutError:
                # Nothing was sent yet. Later, the server may still be running the statement at the deadline.
                raise StatementTimeout("no time was left to wait for a lock") from None
            return await self._insert_waiting(item, until)

    async def _insert_waiting(self, item: NewRequirement, until: float) -> InsertResult:
        """Insert the item, waiting for locks. No statement starts after `until`, on the event loop's clock."""
        while True:
            result = (await self._store.insert([item], wait=True))[item.request_uid]
            replaced = None in (result.required_exists, result.requireable_exists)
            if result.requirement is not None or result.lookup.refusal is not None or not replaced:
                return result
            # A reference was deleted while the statement waited. It may have been inserted again in the same
            # transaction: only another statement sees that.
            if asyncio.get_running_loop().time() >= until:
                raise StatementTimeout("a reference was replaced again and again")

    async def _in_own_task(self, write: Coroutine[Any, Any, InsertResult]) -> InsertResult:
        """Run a write that continues if the request is cancelled."""
        task = asyncio.create_task(write)
        self._single_writes.add(task)
        task.add_done_callback(self._on_done)
        return await asyncio.shield(task)

    def _on_done(self, task: asyncio.Task[InsertResult]) -> None:
        self._single_writes.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved, in case the request was cancelled

    async def _find_existing(self, item: NewRequirement, result: InsertResult, deadline: float) -> InsertResult:
        """Look for a row that a concurrent call with the same key wrote before the references were deleted."""
        try:
            existing = await self._store.find_by_request_uid(item.request_uid, seconds_left(deadline))
        except DatabaseError as error:
            raise ApplicationCrash from error
        return result._replace(requirement=existing)

    async def close(self) -> None:
        """Wait for all writes, including those whose request was cancelled."""
        await self.writes.close()
        if self._single_writes:
            await asyncio.wait(self._single_writes)
        await self._inserts.close()


def requirement_or_refusal(item: NewRequirement, result: InsertResult) -> Requirement:
    """The requirement in the result of writing `item` for an accepted caller.

    Raises `InvalidParam` for a reference that does not exist, or for an Idempotency-Key that was used before with
    other params; `ApplicationCrash` if there is no row for another reason.
    """
    if result.requirement is None:
        exists = {"required.id": result.required_exists, "requireable.id": result.requireable_exists}
        absent = [ParamError(param, "does not exist") for param, found in exists.items() if not found]
        # With both references present, the row of an earlier call was just deleted, or a trigger discarded the new
        # row: not the caller's fault.
        raise InvalidParam(*absent) if absent else ApplicationCrash
    if item.params_digest is not None and result.requirement.params_digest != item.params_digest:
        raise InvalidParam(ParamError(idempotency.HEADER, "was used before, with other params"))
    return result.requirement
