"""Send one leased e-mail and store the result, even if the request that started it was cancelled."""

import asyncio
from dataclasses import dataclass

import structlog

from service.config import MandrillConfig
from service.database.errors import DatabaseError
from service.database.pool import Database
from service.domain.requirements import Requirement
from service.mail.backoff import GRACE_SECONDS
from service.mail.errors import MandrillError
from service.mail.mandrill import Mandrill
from service.mail.message import compose
from service.mail.outbox import Outbox
from service.observability import error_reports
from service.storage.emails import Claimed, find_own_email

# Part of a request's time that is reserved for storing the result of its e-mail.
SETTLE_SECONDS = 0.5

log = structlog.get_logger()


@dataclass(slots=True)
class Attempt:
    """An attempt in progress.

    `result` is set as soon as the attempt to send has ended: None if the e-mail was accepted. `task` ends once the
    result is stored.
    """

    task: asyncio.Task[None]
    result: asyncio.Future[MandrillError | None]


class EmailSender:
    """Sends e-mails. Each attempt runs in its own task, so cancelling a request does not cancel its e-mail."""

    def __init__(self, mandrill: Mandrill, database: Database, settings: MandrillConfig) -> None:
        self._mandrill = mandrill
        self._database = database
        self._outbox = Outbox(database, settings)
        self._settings = settings
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, requirement: Requirement, email_id: int | None, deadline: float, request_id: str) -> None:
        """Make the first attempt at the e-mail about a new `requirement`, within a request that ends at `deadline`.

        `deadline` is a time on the event loop's clock. Returns once the result is stored, or at `deadline`. Raises
        `MandrillError` unless the e-mail was accepted.
        """
        email_id = email_id or await self._find(requirement, deadline)
        if email_id is None:
            return
        clock = asyncio.get_running_loop().time
        email = Claimed(email_id, 1, self._settings.recipients, requirement)
        attempt = self.start_attempt(email, deadline - SETTLE_SECONDS, deadline + GRACE_SECONDS, request_id)
        # asyncio.wait, unlike awaiting the task, does not cancel the task when the request is cancelled.
        await asyncio.wait([attempt.task], timeout=max(deadline - clock(), 0))
        if not attempt.result.done():
            raise MandrillError("the e-mail could not be sent") from _exception(attempt.task)
        error = attempt.result.result()
        if error is not None:
            raise error

    async def _find(self, requirement: Requirement, deadline: float) -> int | None:
        """Return the id of the requirement's e-mail. It is needed if the reply to the insert was lost."""
        remaining = deadline - asyncio.get_running_loop().time()
        try:
            return await find_own_email(self._database, requirement.id, max(remaining, 0.001))
        except DatabaseError as error:
            raise MandrillError("the outbox could not be read") from error

    def start_attempt(self, email: Claimed, send_by: float, lease_end: float, request_id: str | None = None) -> Attempt:
        """Start an attempt that must be sent by `send_by`. The lease ends at `lease_end`.

        Both are times on the event loop's clock.
        """
        result: asyncio.Future[MandrillError | None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._run(email, send_by, lease_end, request_id, result))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return Attempt(task, result)

    async def _run(
        self,
        email: Claimed,
        send_by: float,
        lease_end: float,
        request_id: str | None,
        result: asyncio.Future[MandrillError | None],
    ) -> None:
        error = await self._send(email, send_by)
        result.set_result(error)
        settled = await self._outbox.settle(email, error, lease_end, request_id)
        if error is None:
            log.info("email-accepted", email=email.id, attempt=email.attempt)
            return
        log.warning("email-not-accepted", email=email.id, attempt=email.attempt, dead=settled.dead, reason=str(error))
        # The request that made a first attempt reports its failure itself.
        if settled.dead and request_id is None:
            error_reports.report(error)

    async def _send(self, email: Claimed, send_by: float) -> MandrillError | None:
        remaining = send_by - asyncio.get_running_loop().time()
        message = compose(email.id, email.requirement, self._settings.sender or "")
        try:
            await self._mandrill.send(message, email.recipients, min(self._settings.timeout_seconds, remaining))
        except MandrillError as error:
            return error
        return None

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = _exception(task)
        if error is not None:
            log.error("email-attempt-crashed", exc_info=error)
            error_reports.report(error)

    async def drain(self, deadline: float) -> None:
        """Wait for the attempts in progress until `deadline`, then cancel the rest.

        Another process sends a cancelled e-mail again after its lease expires.
        """
        tasks = list(self._tasks)
        if not tasks:
            return
        await asyncio.wait(tasks, timeout=max(deadline - asyncio.get_running_loop().time(), 0))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _exception(task: asyncio.Task[None]) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None
