"""What came of an attempt: judged, and recorded however often the database has to be asked."""

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


def settlement(email: Claimed, fault: MandrillError | None, max_attempts: int, request_id: str | None) -> Settlement:
    """What is to be recorded of an attempt. `request_id` is given where a request made it: its failure is notified."""
    if fault is None:
        return Settlement(email.recipients)
    dead = email.attempt >= max_attempts
    kind = EMAIL_DEAD if dead else EMAIL_FAILED
    return Settlement(
        accepted=fault.accepted,
        reason=str(fault),
        dead=dead,
        delay=retry_delay(email.attempt, random.random()),  # noqa: S311 - nothing secret about when
        notification=_notification(kind, email, fault, request_id) if dead or request_id is not None else None,
    )


def _notification(kind: str, email: Claimed, fault: MandrillError, request_id: str | None) -> Notification:
    told = f"The e-mail on requirement {email.requirement.id} was not accepted"
    message = (
        f"{told} after {email.attempt} attempt{'' if email.attempt == 1 else 's'}, and is not tried again."
        if kind == EMAIL_DEAD
        else f"{told}; it is tried again."
    )
    details = {
        "email_id": email.id,
        "requirement_id": email.requirement.id,
        "attempt": email.attempt,
        "reason": str(fault),
    }
    return Notification(kind, message, request_id, details)


class Outbox:
    """Where attempts are recorded."""

    def __init__(self, database: Database, settings: MandrillConfig) -> None:
        self._database = database
        self._max_attempts = settings.max_attempts

    async def settle(
        self, email: Claimed, fault: MandrillError | None, until: float, request_id: str | None = None
    ) -> Settlement:
        """Record what came of an attempt at `email`, which is ours `until` then on the event loop's clock."""
        settled = settlement(email, fault, self._max_attempts, request_id)
        clock = asyncio.get_running_loop().time
        while True:
            try:
                await settle_email(self._database, email, settled)
            except (RetryableError, ConnectionLost, NotConnected) as error:
                reason = str(error)
            else:
                return settled
            if clock() + SETTLE_PAUSE_SECONDS >= until:
                # It will be sent again when the lease is over, accepted or not.
                log.error("email-not-settled", email=email.id, accepted=fault is None, reason=reason)
                return settled
            await asyncio.sleep(SETTLE_PAUSE_SECONDS)
