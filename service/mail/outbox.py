"""How long an e-mail is whose, when it is due again, and the record of what came of an attempt."""

import asyncio
import random
from datetime import timedelta

import structlog

from service.config import Mandrill as Settings
from service.database.errors import ConnectionLost, DatabaseAway, TryAgain
from service.database.pool import Database
from service.mail.verdicts import MandrillError
from service.storage.emails import Claimed, Settlement, settle_email
from service.storage.notifications import EMAIL_DEAD, EMAIL_FAILED, Notification

# Beyond the time to send: to record what came of it, also when the database or this process is halted for a while.
GRACE_SECONDS = 10.0

FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 300.0
JITTER = 0.25

SETTLE_PAUSE_SECONDS = 0.2

log = structlog.get_logger()


def lease(seconds: float) -> timedelta:
    """How long an e-mail is its sender's own, who has `seconds` to send it."""
    return timedelta(seconds=seconds + GRACE_SECONDS)


def retry_delay(attempt: int, chance: float) -> timedelta:
    """How long after attempt number `attempt` has failed the next one is due; `chance`, from 0 to 1, spreads them."""
    doubled = FIRST_DELAY_SECONDS * 2 ** min(attempt - 1, 30)
    spread = JITTER * chance
    return timedelta(seconds=min(doubled * (1 + spread), LONGEST_DELAY_SECONDS * (1 - spread)))


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
    """The record of attempts, written however often the database has to be asked."""

    def __init__(self, database: Database, settings: Settings) -> None:
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
            except (TryAgain, ConnectionLost, DatabaseAway) as error:
                reason = str(error)
            else:
                return settled
            if clock() + SETTLE_PAUSE_SECONDS >= until:
                # It will be sent again when the lease is over, accepted or not.
                log.error("email-not-settled", email=email.id, accepted=fault is None, reason=reason)
                return settled
            await asyncio.sleep(SETTLE_PAUSE_SECONDS)
