"""Send the e-mails that are due: failed ones, and those whose lease expired because a process died."""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from service.config import MandrillConfig
from service.database.errors import DatabaseError
from service.database.pool import Database
from service.mail.backoff import GRACE_SECONDS, lease
from service.mail.sender import EmailSender
from service.observability.background import run_forever
from service.storage.emails import Claimed, claim_emails

# How often the dispatcher looks for e-mails that are due.
POLL_SECONDS = 0.5

# Time that a stopping worker gives the attempts in progress, counted from `stop`. It is short enough for the worker to
# end before the supervisor kills it, even if the worker does not drain.
CLOSE_SECONDS = 4.0
# Minimum of that time, counted from `close`.
MIN_CLOSE_SECONDS = 0.5

log = structlog.get_logger()


class Dispatcher:
    """Claims e-mails that are due and sends them, a limited number at a time. Each process may run one."""

    def __init__(self, database: Database, sender: EmailSender, settings: MandrillConfig) -> None:
        self._database = database
        self._sender = sender
        self._seconds = settings.timeout_seconds
        # The other half of the connections is left to requests, whose callers wait.
        self._limit = max(settings.connections // 2, 1)
        self._sending = 0
        self._wake = asyncio.Event()
        self._stopped_at: float | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start dispatching in a task."""
        self._task = asyncio.create_task(run_forever("dispatcher", self._run))

    def stop(self) -> None:
        """Stop claiming e-mails. Attempts in progress continue."""
        if self._stopped_at is None:
            self._stopped_at = asyncio.get_running_loop().time()
            self._wake.set()

    async def close(self) -> None:
        """Stop, and wait a limited time for the attempts in progress."""
        self.stop()
        if self._task is not None:
            await asyncio.wait([self._task])
        now = asyncio.get_running_loop().time()
        await self._sender.drain(max((self._stopped_at or now) + CLOSE_SECONDS, now + MIN_CLOSE_SECONDS))

    async def _run(self) -> None:
        reason = None
        while self._stopped_at is None:
            self._wake.clear()
            try:
                await self._dispatch()
                reason = None
            except DatabaseError as error:
                # Log a reason once, not at every poll.
                if str(error) != reason:
                    reason = str(error)
                    log.warning("emails-not-claimed", reason=reason)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()

    async def _dispatch(self) -> None:
        if self._sending >= self._limit:
            return
        now = asyncio.get_running_loop().time()
        claimed = await claim_emails(self._database, self._limit - self._sending, lease(self._seconds))
        self._start_attempts(claimed, now + self._seconds + GRACE_SECONDS)

    def _start_attempts(self, claimed: Sequence[Claimed], lease_end: float) -> None:
        # The lease started before the claim returned, which may have taken long. Half of the grace time is kept for
        # storing the result.
        send_by = lease_end - GRACE_SECONDS / 2
        for email in claimed:
            self._sending += 1
            self._sender.start_attempt(email, send_by, lease_end).task.add_done_callback(self._attempt_ended)

    def _attempt_ended(self, _task: asyncio.Task[None]) -> None:
        self._sending -= 1
        self._wake.set()
