"""Write requirements so that a repeated attempt writes the same requirement, never a second one."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from service.config import DatabaseConfig
from service.database.batcher import Batcher
from service.database.errors import (
    ConnectionLost,
    DatabaseError,
    DataRejected,
    NotConnected,
    RetryableError,
    StatementTimeout,
)
from service.domain import idempotency
from service.domain.requirements import NewRequirement, Requirement
from service.domain.statuses import ApplicationCrash, InvalidParam, ParamError
from service.storage.requirements import InsertResult, RequirementStore

# Between two attempts at a write, while the server comes back.
RETRY_PAUSE_SECONDS = 0.05


class RequirementWriter:
    """Writes each requirement to one definite result, or raises with the outcome that its caller must know."""

    def __init__(self, store: RequirementStore, config: DatabaseConfig) -> None:
        """`config` gives the number of connections, and how long a statement may wait for a lock."""
        self._store = store
        self._lock_timeout_seconds = config.lock_timeout_seconds
        # Statements that wait for locks must leave connections for those that do not.
        self._waiting_writes = asyncio.Semaphore(max(1, config.pool_size // 2))
        self.writes = Batcher(self._write_together)
        self._single_writes: set[asyncio.Task[InsertResult]] = set()

    @property
    def outstanding(self) -> int:
        """How many writes are running or waiting."""
        return self.writes.outstanding + len(self._single_writes)

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
        unknown = False
        while True:
            try:
                result = await self._attempt(item, deadline)
            except DatabaseError as error:
                unknown = unknown or _may_be_written(error, item)
                item = item._replace(retried=unknown)
                if not _is_retryable(error, unknown=unknown) or _seconds_left(deadline) <= RETRY_PAUSE_SECONDS:
                    raise _refusal(error, unknown=unknown) from error
                await asyncio.sleep(RETRY_PAUSE_SECONDS)
            else:
                if result.requirement is None and unknown:
                    raise ApplicationCrash(outcome="unknown")
                return result

    async def _attempt(self, item: NewRequirement, deadline: float) -> InsertResult:
        """Write `item` in a batch; then alone, if it may have to wait for a lock or if the batch failed."""
        result = await self.writes.submit(item, deadline)
        if result is not None:
            return result
        try:
            async with asyncio.timeout_at(deadline):
                return await self._in_own_task(self._write_alone(item, deadline))
        except TimeoutError as error:
            raise ConnectionLost("time ran out") from error

    async def _write_together(self, items: Sequence[NewRequirement]) -> list[InsertResult | None]:
        """The result of each item; None for an item that must be written alone."""
        # One statement must not contain a request_uid twice.
        leaders: dict[str, NewRequirement] = {}
        for item in items:
            leaders.setdefault(item.request_uid, item)
        try:
            results = await self._store.insert(list(leaders.values()), wait=False)
        except (RetryableError, ConnectionLost, NotConnected):
            raise
        except DatabaseError:
            return [None] * len(items)
        return [_share(results[item.request_uid], item, leaders[item.request_uid]) for item in items]

    async def _write_alone(self, item: NewRequirement, deadline: float) -> InsertResult:
        try:
            async with asyncio.timeout_at(deadline - self._lock_timeout_seconds):
                await self._waiting_writes.acquire()
        except TimeoutError:
            # Nothing was sent yet. Later, the server may still be running the statement at the deadline.
            raise StatementTimeout("no time was left to wait for a lock") from None
        try:
            return (await self._store.insert([item], wait=True))[item.request_uid]
        finally:
            self._waiting_writes.release()

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
            existing = await self._store.find_by_request_uid(item.request_uid, _seconds_left(deadline))
        except DatabaseError as error:
            raise ApplicationCrash from error
        return result._replace(requirement=existing)

    async def close(self) -> None:
        """Wait for all writes, including those whose request was cancelled."""
        await self.writes.close()
        if self._single_writes:
            await asyncio.wait(self._single_writes)


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


def _may_be_written(error: DatabaseError, item: NewRequirement) -> bool:
    # The lock that a keyed write waited for may be held by an abandoned call with the same key.
    keyed = item.params_digest is not None
    return isinstance(error, ConnectionLost) or (keyed and isinstance(error, StatementTimeout))


def _is_retryable(error: DatabaseError, *, unknown: bool) -> bool:
    """Whether to attempt the write again. `NotConnected` is retried only if an earlier attempt may have written."""
    return isinstance(error, RetryableError | ConnectionLost) or (unknown and isinstance(error, NotConnected))


def _refusal(error: DatabaseError, *, unknown: bool) -> InvalidParam | ApplicationCrash:
    if isinstance(error, DataRejected) and not unknown:
        return InvalidParam(ParamError("body", "holds a value that cannot be stored"))
    return ApplicationCrash(outcome="unknown" if unknown else "none")


def _share(result: InsertResult, item: NewRequirement, leader: NewRequirement) -> InsertResult | None:
    """The result of `item`, given that of the item written for its request_uid. None if it must be written alone."""
    # Another token of the same caller needs a verdict of its own.
    if item.token_digest != leader.token_digest:
        return None
    if result.requirement is None and result.lookup.refusal is None:
        return None
    return result if item is leader else result._replace(created=False, email_id=None)


def _seconds_left(deadline: float) -> float:
    return max(deadline - asyncio.get_running_loop().time(), 0.001)
