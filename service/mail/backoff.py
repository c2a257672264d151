"""How long an e-mail is whose, and when the next attempt at it is due."""

from datetime import timedelta

# Beyond the time to send: to record what came of it, also when the database or this process is halted for a while.
GRACE_SECONDS = 10.0

FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 300.0
JITTER = 0.25


def lease(seconds: float) -> timedelta:
    """How long an e-mail is its sender's own, who has `seconds` to send it."""
    return timedelta(seconds=seconds + GRACE_SECONDS)


def retry_delay(attempt: int, chance: float) -> timedelta:
    """How long after attempt number `attempt` has failed the next one is due; `chance`, from 0 to 1, spreads them."""
    doubled = FIRST_DELAY_SECONDS * 2 ** min(attempt - 1, 30)
    spread = JITTER * chance
    return timedelta(seconds=min(doubled * (1 + spread), LONGEST_DELAY_SECONDS * (1 - spread)))
