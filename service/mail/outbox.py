"""Store the result of an attempt in the outbox, with retries while the database is unavailable."""

import asyncio
import random

import structlog

from service.config import MandrillConfig
from service.database.errors import ConnectionLost, NotConnected, RetryableError
from service.database.pool import Database
from service.mail.backoff import retry_delay
from service.mail.errors import MandrillError
from service.storage.emails import Claimed, Settlement, settle_email
from service.storage.notifications import EMAIL_DEAD, EMAIL_FAILED, Notification

SETTLE_PAUSE_SECONDS = 0.2

log = structlog.get_logger()


def settlement(email: Claimed, error: MandrillError | None, max_attempts: int, request_id: str | None) -> Settlement:
    """Return what to store about an attempt.

    `request_id` is given for the attempt that a request makes. Its failure adds a notification, as does the failure of
    the last attempt.
    """
    if error is None:
        return Settlement(email.recipients)
    dead = email.attempt >= max_attempts
    kind = EMAIL_DEAD if dead else EMAIL_FAILED
    return Settlement(
        accepted=error.accepted,
        reason=str(error),
        dead=dead,
        delay=retry_delay(email.attempt, random.random()),  # noqa: S311 - jitter need not be secret
        notification=_notification(kind, email, error, request_id) if dead or request_id is not None else None,
    )


def _notification(kind: str, email: Claimed, error: MandrillError, request_id: str | None) -> Notification:
    subject = f"The e-mail about requirement {email.requirement.id} was not accepted"
    message = (
        f"{subject} after {email.attempt} attempt{'' if email.attempt == 1 else 's'}. It will not be retried."
        if kind == EMAIL_DEAD
        else f"{subject}. It will be retried."
    )
    details = {
        "email_id": email.id,
        "requirement_id": email.requirement.id,
        "attempt": email.attempt,
        "reason": str(error),
    }
    return Notification(kind, message, request_id, details)


class Outbox:
    """Stores the results of attempts."""

    def __init__(self, database: Database, settings: MandrillConfig) -> None:
        self._database = database
        self._max_attempts = settings.max_attempts

    async def settle(
        self, email: Claimed, error: MandrillError | None, lease_end: float, request_id: str | None = None
    ) -> Settlement:
        """Store the result of an attempt at `email` and return it. `error` is None if the e-mail was accepted.

        Retries until `lease_end`, a time on the event loop's clock. If the result cannot be stored by then, logs an
        error; another process sends the e-mail again after the lease expires.
        """
        settled = settlement(email, error, self._max_attempts, request_id)
        clock = asyncio.get_running_loop().time
        while True:
            try:
                await settle_email(self._database, email, settled)
            except (RetryableError, ConnectionLost, NotConnected) as failure:
                reason = str(failure)
            else:
                return settled
            if clock() + SETTLE_PAUSE_SECONDS >= lease_end:
                log.error("email-not-settled", email=email.id, accepted=error is None, reason=reason)
                return settled
            await asyncio.sleep(SETTLE_PAUSE_SECONDS)
