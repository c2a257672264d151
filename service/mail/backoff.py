"""Lease times and retry delays of e-mails."""

from datetime import timedelta

# Added to the send timeout to make a lease: time to store the result even if the database or the process stalls.
GRACE_SECONDS = 10.0

FIRST_DELAY_SECONDS = 1.0
MAX_DELAY_SECONDS = 300.0
JITTER = 0.25


def lease(seconds: float) -> timedelta:
    """Return how long an e-mail is leased to a sender whose send timeout is `seconds`."""
    return timedelta(seconds=seconds + GRACE_SECONDS)


def retry_delay(attempt: int, fraction: float) -> timedelta:
    """Return the delay after failed attempt number `attempt`. `fraction`, from 0 to 1, is random and adds jitter."""
    doubled = FIRST_DELAY_SECONDS * 2 ** min(attempt - 1, 30)
    jitter = JITTER * fraction
    return timedelta(seconds=min(doubled * (1 + jitter), MAX_DELAY_SECONDS * (1 - jitter)))
