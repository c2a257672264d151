"""Recording a requirement so that a repeated attempt at it is the same requirement, never a second one."""

import asyncio

from service.database.errors import ConnectionLost, DatabaseAway, DatabaseError, DataRejected, TryAgain
from service.errors import ApplicationCrash, InvalidParam, Outcome, ParamError
from service.requirements import Requirement, Submission
from service.storage.requirements import RequirementStore, Written

# Between attempts at a write of unknown outcome, while the server comes back.
RETRY_PAUSE_SECONDS = 0.05

IDEMPOTENCY_KEY = "Idempotency-Key"


class Recorder:
    """Writes submissions, each to the one outcome that its caller is told."""

    def __init__(self, store: RequirementStore) -> None:
        self._store = store

    async def record(self, item: Submission, deadline: float) -> tuple[Requirement, Outcome]:
        """The requirement recorded for `item`, and whether this call `created` it or it was `replayed`.

        `deadline` is on the event loop's clock. Raises `InvalidParam` for a reference that does not exist or an
        Idempotency-Key used before with other params, and `ApplicationCrash`, whose outcome says whether the write
        may have happened.
        """
        written = await self._write(item, deadline)
        requirement = written.requirement or await self._known(item, written, deadline)
        if item.params_digest is None:
            return requirement, "created"
        if requirement.params_digest != item.params_digest:
            raise InvalidParam(ParamError(IDEMPOTENCY_KEY, "was used before, with other params"))
        return requirement, "created" if written.created else "replayed"

    async def _write(self, item: Submission, deadline: float) -> Written:
        """Run the one statement until it is answered: its request_uid makes running it twice harmless.

        Once the outcome of an attempt is unknown, only a returned row is definite: that attempt may still be running.
        """
        outcome: Outcome = "none"
        while True:
            try:
                written = (await self._store.create([item], _left(deadline)))[item.request_uid]
            except (TryAgain, ConnectionLost, DatabaseAway) as error:
                if isinstance(error, ConnectionLost):
                    outcome = "unknown"
                never_sent = isinstance(error, DatabaseAway) and outcome == "none"
                if never_sent or _left(deadline) <= RETRY_PAUSE_SECONDS:
                    raise ApplicationCrash(outcome=outcome) from error
                await asyncio.sleep(RETRY_PAUSE_SECONDS)
            except DataRejected as error:
                if outcome == "none":
                    raise InvalidParam(ParamError("body", "holds a value that cannot be stored")) from error
                raise ApplicationCrash(outcome=outcome) from error
            except DatabaseError as error:
                raise ApplicationCrash(outcome=outcome) from error
            else:
                if written.requirement is None and outcome == "unknown":
                    raise ApplicationCrash(outcome=outcome)
                return written

    async def _known(self, item: Submission, written: Written, deadline: float) -> Requirement:
        """The row that another call with the same identity wrote just before the references went away."""
        try:
            known = await self._store.find(item.request_uid, _left(deadline))
        except DatabaseError as error:
            raise ApplicationCrash from error
        if known is not None:
            return known
        raise InvalidParam(*_absent(written))


def _absent(written: Written) -> list[ParamError]:
    exists = {"required.id": written.required_exists, "requireable.id": written.requireable_exists}
    return [ParamError(param, "does not exist") for param, found in exists.items() if not found]


def _left(deadline: float) -> float:
    return max(deadline - asyncio.get_running_loop().time(), 0.001)
