"""The last hour as the console draws it: one point every few seconds, in memory."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime

SECONDS_BETWEEN_POINTS = 5.0
KEPT_POINTS = 720  # an hour


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured within the seconds before `at`, over all workers. None: not known, or there was nothing."""

    at: datetime
    requests_per_second: dict[str, float]  # by envelope status; by HTTP code where an answer has none
    p50_seconds: float | None  # of creates, as all latencies
    p95_seconds: float | None
    p99_seconds: float | None
    in_flight: int
    pool_in_use: int
    pool_idle: int
    pool_limit: int
    pool_waiting: int
    loop_lag_seconds: float | None  # the 99th percentile over all workers
    workers: int
    worker_restarts: int  # since the service started
    emails: dict[str, int] | None  # by state
    oldest_pending_email_seconds: float | None
    unacknowledged_notifications: int | None


class History:
    """Keeps the last points, oldest first; more push the oldest out."""

    def __init__(self) -> None:
        self._points: deque[Point] = deque(maxlen=KEPT_POINTS)

    def add(self, point: Point) -> None:
        """Remember `point` as the latest."""
        self._points.append(point)

    def points(self) -> list[Point]:
        """The points of the last hour, oldest first."""
        return list(self._points)
