"""Recording a requirement so that a repeated attempt at it is the same requirement, never a second one."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

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
from service.domain.callers import Caller, TokenLookup
from service.domain.requirements import NewRequirement, Requirement
from service.domain.statuses import ApplicationCrash, InvalidParam, Outcome, ParamError
from service.storage.requirements import InsertResult, RequirementStore

# Between attempts at a write of unknown outcome, while the server comes back.
RETRY_PAUSE_SECONDS = 0.05

IDEMPOTENCY_KEY = "Idempotency-Key"


class Recorded(NamedTuple):
    """A requirement as recorded for a call of the caller, which `created` it or `replayed` it.

    `email_id` is that of its e-mail, which the call is to send. It is None too where the row is the call's own but the
    answer that told of it was lost.
    """

    caller: Caller
    requirement: Requirement
    outcome: Outcome
    email_id: int | None


class RequirementWriter:
    """Writes submissions, each to the one outcome that its caller is told."""

    def __init__(
        self, store: RequirementStore, admit: Callable[[TokenLookup], Caller], settings: DatabaseConfig
    ) -> None:
        """`admit` lets a caller in by what was found, or raises why not.

        `settings` say how many connections there are, and how long a statement may wait for a lock.
        """
        self._store = store
        self._admit = admit
        self._lock_timeout_seconds = settings.lock_timeout_seconds
        # Those that wait for a lock must not take every connection from those that need not.
        self._alone = asyncio.Semaphore(max(1, settings.pool_size // 2))
        self.writes = Batcher(self._write_together)
        self._own: set[asyncio.Task[InsertResult]] = set()

    @property
    def outstanding(self) -> int:
        """How many writes are under way, or wait for it."""
        return self.writes.outstanding + len(self._own)

    async def record(self, item: NewRequirement, deadline: float) -> Recorded:
        """The requirement recorded for `item`, and whether this call created it.

        `deadline` is on the event loop's clock. Raises what `admit` raises, `InvalidParam` for a reference that does
        not exist or an Idempotency-Key used before with other params, and `ApplicationCrash`, whose outcome says
        whether the write may have happened.
        """
        written = await self._write(item, deadline)
        caller = self._admit(written.found)
        requirement = written.requirement or await self._known(item, written, deadline)
        if item.params_digest is None:
            return Recorded(caller, requirement, "created", written.email_id)
        if requirement.params_digest != item.params_digest:
            raise InvalidParam(ParamError(IDEMPOTENCY_KEY, "was used before, with other params"))
        return Recorded(caller, requirement, "created" if written.created else "replayed", written.email_id)

    async def _write(self, item: NewRequirement, deadline: float) -> InsertResult:
        """Attempt the write until it is answered: its request_uid makes attempting it twice harmless.

        Once the outcome of an attempt is unknown, only a returned row is definite: that attempt may still be running.
        """
        unknown = False
        while True:
            try:
                written = await self._attempt(item, deadline)
            except DatabaseError as error:
                # With a key, what stood in the way may be the same write, of a call that was given up.
                keyed = item.params_digest is not None
                unknown = (
                    unknown or isinstance(error, ConnectionLost) or (keyed and isinstance(error, StatementTimeout))
                )
                item = item._replace(retried=unknown)
                if not _worth_another(error, unknown=unknown) or _left(deadline) <= RETRY_PAUSE_SECONDS:
                    raise _failure(error, unknown=unknown) from error
                await asyncio.sleep(RETRY_PAUSE_SECONDS)
            else:
                if written.requirement is None and unknown:
                    raise ApplicationCrash(outcome="unknown")
                return written

    async def _attempt(self, item: NewRequirement, deadline: float) -> InsertResult:
        """Write `item` with others; alone if it may have to wait for a lock, or if its neighbours failed it."""
        written = await self.writes.submit(item, deadline)
        if written is not None:
            return written
        try:
            async with asyncio.timeout_at(deadline):
                return await self._in_own_task(self._write_alone(item, deadline))
        except TimeoutError as error:
            raise ConnectionLost("time ran out") from error

    async def _write_together(self, items: Sequence[NewRequirement]) -> list[InsertResult | None]:
        """What became of each, None where that takes an attempt alone."""
        leaders: dict[str, NewRequirement] = {}
        for item in items:
            leaders.setdefault(item.request_uid, item)
        try:
            written = await self._store.create(list(leaders.values()), wait=False)
        except (RetryableError, ConnectionLost, NotConnected):
            raise
        except DatabaseError:
            return [None] * len(items)
        return [_share(written[item.request_uid], item, leaders[item.request_uid]) for item in items]

    async def _write_alone(self, item: NewRequirement, deadline: float) -> InsertResult:
        try:
            async with asyncio.timeout_at(deadline - self._lock_timeout_seconds):
                await self._alone.acquire()
        except TimeoutError:
            # Given up now, it is known that nothing was written; later, the server may still be at it.
            raise StatementTimeout("no time was left to wait for a lock") from None
        try:
            return (await self._store.create([item], wait=True))[item.request_uid]
        finally:
            self._alone.release()

    async def _in_own_task(self, write: Coroutine[Any, Any, InsertResult]) -> InsertResult:
        """A write that goes on when the request that wants it is cancelled."""
        task = asyncio.create_task(write)
        self._own.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[InsertResult]) -> None:
        self._own.discard(task)
        if not task.cancelled():
            task.exception()  # now it has been heard, where nobody waits for it any more

    async def _known(self, item: NewRequirement, written: InsertResult, deadline: float) -> Requirement:
        """The row that another call with the same identity wrote just before the references went away."""
        try:
            known = await self._store.find(item.request_uid, _left(deadline))
        except DatabaseError as error:
            raise ApplicationCrash from error
        if known is not None:
            return known
        absent = _absent(written)
        # With nothing absent, the row of an earlier call went away this very moment, or a rule of the database's own
        # took the new one: neither is the caller's fault.
        raise InvalidParam(*absent) if absent else ApplicationCrash

    async def close(self) -> None:
        """Wait for every write under way, also of requests that no longer wait for it."""
        await self.writes.close()
        if self._own:
            await asyncio.wait(self._own)


def _worth_another(error: DatabaseError, *, unknown: bool) -> bool:
    """Whether to attempt the write again; one that was never sent is given up at once, unless another may have been."""
    return isinstance(error, RetryableError | ConnectionLost) or (unknown and isinstance(error, NotConnected))


def _failure(error: DatabaseError, *, unknown: bool) -> InvalidParam | ApplicationCrash:
    if isinstance(error, DataRejected) and not unknown:
        return InvalidParam(ParamError("body", "holds a value that cannot be stored"))
    return ApplicationCrash(outcome="unknown" if unknown else "none")


def _share(written: InsertResult, item: NewRequirement, leader: NewRequirement) -> InsertResult | None:
    """What became of `item` where `leader` was written for all of its identity; None where that takes an attempt."""
    # Another token of the same caller has a verdict of its own.
    if item.token_digest != leader.token_digest:
        return None
    if written.requirement is None and written.found.refusal is None:
        return None
    return written if item is leader else written._replace(created=False, email_id=None)


def _absent(written: InsertResult) -> list[ParamError]:
    exists = {"required.id": written.required_exists, "requireable.id": written.requireable_exists}
    return [ParamError(param, "does not exist") for param, found in exists.items() if not found]


def _left(deadline: float) -> float:
    return max(deadline - asyncio.get_running_loop().time(), 0.001)
