"""Trying again in the background what has not been accepted yet, or was left by a process that is gone."""

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

# How long an e-mail that is due may wait to be noticed.
POLL_SECONDS = 0.5

# What a worker that stops gives its last attempts, counted from when it claims no more: before it would be killed, also
# where it does not drain.
CLOSE_SECONDS = 4.0
LEAST_CLOSE_SECONDS = 0.5

log = structlog.get_logger()


class Dispatcher:
    """Claims e-mails that are due and has them sent, some at a time; any number of processes may each have one."""

    def __init__(self, database: Database, courier: EmailSender, settings: MandrillConfig) -> None:
        self._database = database
        self._courier = courier
        self._seconds = settings.timeout_seconds
        # The other half is for requests: people wait for those.
        self._limit = max(settings.connections // 2, 1)
        self._sending = 0
        self._woken = asyncio.Event()
        self._stopped_at: float | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to dispatch, in a task of its own."""
        self._task = asyncio.create_task(run_forever("dispatcher", self._run))

    def stop(self) -> None:
        """Claim no more e-mails; those under way go on."""
        if self._stopped_at is None:
            self._stopped_at = asyncio.get_running_loop().time()
            self._woken.set()

    async def close(self) -> None:
        """Stop, and wait a while for what is under way."""
        self.stop()
        if self._task is not None:
            await asyncio.wait([self._task])
        now = asyncio.get_running_loop().time()
        await self._courier.drain(max((self._stopped_at or now) + CLOSE_SECONDS, now + LEAST_CLOSE_SECONDS))

    async def _run(self) -> None:
        reason = None
        while self._stopped_at is None:
            self._woken.clear()
            try:
                await self._dispatch()
                reason = None
            except DatabaseError as error:
                if str(error) != reason:
                    reason = str(error)
                    log.warning("emails-not-claimed", reason=reason)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._woken.wait()

    async def _dispatch(self) -> None:
        if self._sending >= self._limit:
            return
        now = asyncio.get_running_loop().time()
        claimed = await claim_emails(self._database, self._limit - self._sending, lease(self._seconds))
        self._deliver(claimed, now + self._seconds + GRACE_SECONDS)

    def _deliver(self, claimed: Sequence[Claimed], until: float) -> None:
        # The lease counts from the claim, which may have taken long.
        send_by = until - GRACE_SECONDS / 2
        for email in claimed:
            self._sending += 1
            self._courier.deliver(email, send_by, until).task.add_done_callback(self._delivered)

    def _delivered(self, _task: asyncio.Task[None]) -> None:
        self._sending -= 1
        self._woken.set()
