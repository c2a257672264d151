"""When a call is repeated, and what all its attempts did together."""

import random
import time

from service.client.errors import RequirementsError

FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 5.0


class Attempts:
    """The attempts of one call, within a deadline.

    Every call can be repeated safely: those that write carry the same Idempotency-Key each time.
    """

    def __init__(self, deadline_seconds: float) -> None:
        self._deadline = time.monotonic() + deadline_seconds
        self._failed = 0
        self._may_have_written = False

    def seconds_left(self) -> float:
        """The seconds until the deadline, at least 0."""
        return max(0.0, self._deadline - time.monotonic())

    def seconds_until_next(self, error: RequirementsError) -> float | None:
        """How long to wait after a failed attempt before the next one; None if there is none.

        The outcome of `error` becomes that of all attempts so far.
        """
        if error.outcome == "none" and self._may_have_written:
            # That this attempt wrote nothing does not tell what an earlier one, without a response, has done.
            error.outcome = "unknown"
        self._may_have_written = error.outcome == "unknown"
        pause = self._pause(error.retry_after_seconds)
        self._failed += 1
        return pause if error.is_transient and pause < self.seconds_left() else None

    def _pause(self, at_least_seconds: float) -> float:
        longest = min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(self._failed, 30))
        # Callers that failed at the same time shall not come back at the same time.
        return max(0.0, at_least_seconds) + random.uniform(longest / 2, longest)  # noqa: S311 - not a secret
