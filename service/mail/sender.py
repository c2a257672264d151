"""Sending an e-mail that is ours to send, and recording what came of it, whoever waits for that or no longer does."""

import asyncio
from dataclasses import dataclass

import sentry_sdk
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
from service.storage.emails import Claimed, find_own_email

# What is kept of a request's time to record what came of its e-mail.
SETTLE_SECONDS = 0.5

log = structlog.get_logger()


@dataclass(slots=True)
class Delivery:
    """An attempt under way. `task` ends when it is recorded; `sent` is told as soon as the sending has ended."""

    task: asyncio.Task[None]
    sent: asyncio.Future[MandrillError | None]


class EmailSender:
    """Makes attempts, each in a task of its own: none is lost because a request is."""

    def __init__(self, mandrill: Mandrill, database: Database, settings: MandrillConfig) -> None:
        self._mandrill = mandrill
        self._database = database
        self._outbox = Outbox(database, settings)
        self._settings = settings
        self._under_way: set[asyncio.Task[None]] = set()

    async def send(self, requirement: Requirement, email_id: int | None, deadline: float, request_id: str) -> None:
        """Make the first attempt at the e-mail on a `requirement` just made, for a request that ends at `deadline`.

        What came of it is recorded when this returns, if that can be by then. Raises a `MandrillError` unless the
        e-mail was accepted.
        """
        email_id = email_id or await self._find(requirement, deadline)
        if email_id is None:
            return
        clock = asyncio.get_running_loop().time
        email = Claimed(email_id, 1, self._settings.recipients, requirement)
        delivery = self.deliver(email, deadline - SETTLE_SECONDS, deadline + GRACE_SECONDS, request_id)
        # Waiting for a task, unlike awaiting it, leaves it alone when the request is cancelled.
        await asyncio.wait([delivery.task], timeout=max(deadline - clock(), 0))
        if not delivery.sent.done():
            raise MandrillError("the e-mail could not be sent") from _failure(delivery.task)
        fault = delivery.sent.result()
        if fault is not None:
            raise fault

    async def _find(self, requirement: Requirement, deadline: float) -> int | None:
        """The id of our e-mail, when the answer that told of it was lost."""
        left = deadline - asyncio.get_running_loop().time()
        try:
            return await find_own_email(self._database, requirement.id, max(left, 0.001))
        except DatabaseError as error:
            raise MandrillError("the outbox could not be read") from error

    def deliver(self, email: Claimed, send_by: float, until: float, request_id: str | None = None) -> Delivery:
        """Begin an attempt that is to be sent at `send_by` at the latest, and is ours `until` then."""
        sent: asyncio.Future[MandrillError | None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._deliver(email, send_by, until, request_id, sent))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return Delivery(task, sent)

    async def _deliver(
        self,
        email: Claimed,
        send_by: float,
        until: float,
        request_id: str | None,
        sent: asyncio.Future[MandrillError | None],
    ) -> None:
        fault = await self._attempt(email, send_by)
        sent.set_result(fault)
        settled = await self._outbox.settle(email, fault, until, request_id)
        if fault is None:
            log.info("email-accepted", email=email.id, attempt=email.attempt)
            return
        log.warning("email-not-accepted", email=email.id, attempt=email.attempt, dead=settled.dead, reason=str(fault))
        if settled.dead and request_id is None:
            sentry_sdk.capture_exception(fault)

    async def _attempt(self, email: Claimed, send_by: float) -> MandrillError | None:
        left = send_by - asyncio.get_running_loop().time()
        message = compose(email.id, email.requirement, self._settings.sender or "")
        try:
            await self._mandrill.send(message, email.recipients, min(self._settings.timeout_seconds, left))
        except MandrillError as fault:
            return fault
        return None

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        error = _failure(task)
        if error is not None:
            log.error("email-attempt-crashed", exc_info=error)
            sentry_sdk.capture_exception(error)

    async def drain(self, until: float) -> None:
        """Wait for what is under way, `until` then at the most; the rest is sent again when its lease is over."""
        tasks = list(self._under_way)
        if not tasks:
            return
        await asyncio.wait(tasks, timeout=max(until - asyncio.get_running_loop().time(), 0))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _failure(task: asyncio.Task[None]) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None
