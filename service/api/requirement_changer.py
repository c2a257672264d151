"""Change requirements so that a repeated attempt makes the same change, never a second one."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from service.api.blocked_calls import BlockedCalls
from service.api.write_attempts import may_be_written, pause_before_retry, refusal_after, seconds_left
from service.config import DatabaseConfig
from service.database.errors import (
    ConnectionLost,
    ConstraintViolated,
    DatabaseError,
    ResultUnreadable,
    RetryableError,
    StatementTimeout,
)
from service.database.pool import Database
from service.domain import idempotency
from service.domain.requirement_changes import RequirementChange
from service.domain.requirements import Requirement
from service.domain.statuses import ApplicationCrash, InvalidParam, Outcome, ParamError
from service.storage.requirement_changes import ChangeResult, change_requirement

# Another attempt of the same call was committed while this one ran: the next attempt finds it.
MAX_COLLISIONS = 3
# One that does not wait for locks, one that does, and one that sees what the second one has waited for.
MAX_STATEMENTS = 3


class RequirementChanger:
    """Makes each change with one definite result, or raises with the outcome that its caller must know."""

    def __init__(self, database: Database, config: DatabaseConfig, max_blocked: int, *, clients_see_all: bool) -> None:
        """`config` gives the number of connections, and how long a statement may wait for a lock.

        `max_blocked` is how many calls may wait for locks. `clients_see_all` is whether clients see and change all
        requirements.
        """
        self._database = database
        self._lock_timeout_seconds = config.lock_timeout_seconds
        self._clients_see_all = clients_see_all
        # Statements that wait for locks must leave connections for those that do not.
        self._blocked = BlockedCalls(max(1, config.pool_size // 4), max_blocked)
        self._running: set[asyncio.Task[ChangeResult]] = set()

    @property
    def outstanding(self) -> int:
        """How many changes are running or waiting, without those within the bound of calls that wait for locks."""
        return len(self._running) - min(self._blocked.calls, self._blocked.max_calls)

    async def change(self, item: RequirementChange, deadline: float) -> ChangeResult:
        """Make the change `item`, if its token is valid. `deadline` is on the event loop's clock.

        Without an Idempotency-Key, a result that was `repeated` by an earlier attempt of this call counts as `changed`.
        Raises `ApplicationCrash`, whose outcome says whether the change may have been made.
        """
        result = await self._change_until_definite(item, deadline)
        if item.params_digest is None and result.repeated:
            return result._replace(repeated=False, changed=True)
        return result

    async def _change_until_definite(self, item: RequirementChange, deadline: float) -> ChangeResult:
        """Attempt the change until it has a definite result. The request_uid makes repeated attempts safe.

        The first statement does not wait for locks. What it does not find is looked for again by one that waits.
        """
        unknown = False
        statements = retries = collisions = 0
        pause: float | None
        while True:
            try:
                result = await self._in_own_task(self._attempt(item, deadline, wait=statements > 0))
            except DatabaseError as error:
                unknown = unknown or may_be_written(error, keyed=item.params_digest is not None)
                if isinstance(error, ConstraintViolated) and collisions < MAX_COLLISIONS:
                    collisions += 1
                    item, pause = item._replace(retried=True), 0.0
                else:
                    item = item._replace(retried=item.retried or unknown)
                    pause = pause_before_retry(error, retries, unknown=unknown)
                if pause is None or seconds_left(deadline) <= pause:
                    raise refusal_after(error, unknown=unknown)  # noqa: B904 - it has its cause
                retries += isinstance(error, RetryableError | ResultUnreadable)
                await asyncio.sleep(pause)
            else:
                statements += 1
                if _is_definite(item, result, statements):
                    if result.requirement is None and unknown:
                        # The earlier attempt may still be running.
                        raise ApplicationCrash(outcome="unknown")
                    return result

    async def _attempt(self, item: RequirementChange, deadline: float, *, wait: bool) -> ChangeResult:
        try:
            async with asyncio.timeout_at(deadline):
                if not wait:
                    return await self._statement(item, deadline, wait=False)
                return await self._attempt_waiting(item, deadline)
        except TimeoutError as error:
            raise ConnectionLost("time ran out") from error

    async def _attempt_waiting(self, item: RequirementChange, deadline: float) -> ChangeResult:
        async with contextlib.AsyncExitStack() as held:
            try:
                await held.enter_async_context(self._blocked.turn(item.id, deadline - self._lock_timeout_seconds))
            except TimeoutError:
                # Nothing was sent yet. Later, the server may still be running the statement at the deadline.
                raise StatementTimeout("no time was left to wait for a lock") from None
            return await self._statement(item, deadline, wait=True)

    async def _statement(self, item: RequirementChange, deadline: float, *, wait: bool) -> ChangeResult:
        return await change_requirement(
            item,
            self._database,
            clients_see_all=self._clients_see_all,
            wait=wait,
            timeout=seconds_left(deadline),
        )

    async def _in_own_task(self, attempt: Coroutine[Any, Any, ChangeResult]) -> ChangeResult:
        """Run an attempt that continues if the request is cancelled."""
        task = asyncio.create_task(attempt)
        self._running.add(task)
        task.add_done_callback(self._on_done)
        return await asyncio.shield(task)

    def _on_done(self, task: asyncio.Task[ChangeResult]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved, in case the request was cancelled

    async def close(self) -> None:
        """Wait for all changes, including those whose request was cancelled."""
        if self._running:
            await asyncio.wait(self._running)


def _is_definite(item: RequirementChange, result: ChangeResult, statements: int) -> bool:
    """Whether the result of the last of some statements holds.

    If a statement has changed nothing, another attempt of the same call may have held the lock of the requirement. The
    statement has then skipped the requirement or waited for it. Only the next statement sees what that attempt changed.
    """
    if result.changed or result.repeated or result.lookup.refusal is not None:
        return True
    if item.may_be_repeated:
        return statements == MAX_STATEMENTS
    return result.requirement is not None or statements > 1


def requirement_and_outcome(item: RequirementChange, result: ChangeResult) -> tuple[Requirement, Outcome]:
    """The requirement in the result of a change for an accepted caller, and the outcome of the call.

    Raises `InvalidParam` for an id that does not exist, for an `if_updated_at` that is not current, and for an
    Idempotency-Key that was used before with other params; `ApplicationCrash` for a destroy that did not take place.
    """
    if result.requirement is None:
        if not result.found:
            raise InvalidParam(ParamError("id", "does not exist"))
        raise InvalidParam(ParamError("if_updated_at", "is not the updated_at of the requirement any more"))
    if result.repeated:
        if result.requirement.params_digest != item.params_digest:
            raise InvalidParam(ParamError(idempotency.HEADER, "was used before, with other params"))
        return result.requirement, "replayed"
    if not result.changed:
        if item.values is None:
            raise ApplicationCrash  # a trigger of other software has prevented it
        return result.requirement, "none"
    return result.requirement, "destroyed" if item.values is None else "updated"
