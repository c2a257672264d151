"""What an error means for a write: whether it may have happened, whether to retry, and what to answer."""

import asyncio

from service.api.blocked_calls import TooManyBlocked
from service.database.errors import (
    ConnectionLost,
    DatabaseError,
    DataRejected,
    NotConnected,
    ResultUnreadable,
    RetryableError,
    ServerReadOnly,
    StatementTimeout,
    retry_pause,
)
from service.domain.statuses import ApplicationCrash, InvalidParam, Overloaded, ParamError, Refusal

# Between two attempts at a write, while the server comes back.
RETRY_PAUSE_SECONDS = 0.05


def may_be_written(error: DatabaseError, *, keyed: bool) -> bool:
    """Whether the write may have happened, or may still happen, after this error. `keyed`: with an Idempotency-Key."""
    # The lock that a keyed write waited for may be held by an abandoned call with the same key.
    return isinstance(error, ConnectionLost | ResultUnreadable) or (keyed and isinstance(error, StatementTimeout))


def pause_before_retry(error: DatabaseError, retries: int, *, unknown: bool) -> float | None:
    """The seconds to wait before the next attempt at a write, or None if there must be none.

    `retries` is how often it was attempted again after an error that concerns this call only. `NotConnected` and
    `ServerReadOnly` are retried only if an earlier attempt may have written, which is then `unknown`.
    """
    if isinstance(error, RetryableError):
        return retry_pause(error, retries)
    if isinstance(error, ResultUnreadable):
        return None if retries else 0.0
    if isinstance(error, ConnectionLost) or (unknown and isinstance(error, NotConnected | ServerReadOnly)):
        return RETRY_PAUSE_SECONDS
    return None


def refusal_after(error: DatabaseError, *, unknown: bool) -> Refusal:
    """The answer after the last attempt failed with this error. Its cause is for operators."""
    refusal: Refusal
    if isinstance(error, TooManyBlocked):
        refusal = Overloaded(outcome="unknown" if unknown else "none")
    elif isinstance(error, DataRejected) and not unknown:
        refusal = InvalidParam(ParamError("body", "holds a value that cannot be stored"))
    else:
        refusal = ApplicationCrash(outcome="unknown" if unknown else "none")
    # One of too many calls that wait is no fault to report.
    refusal.__cause__ = None if isinstance(error, TooManyBlocked) else error
    return refusal


def seconds_left(deadline: float) -> float:
    """The seconds until `deadline` on the event loop's clock, at least a millisecond."""
    return max(deadline - asyncio.get_running_loop().time(), 0.001)
