"""The last hour of the service, in memory: one point every few seconds."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

SECONDS_BETWEEN_POINTS = 5.0
MAX_POINTS = 720  # one hour


@dataclass(frozen=True, slots=True)
class RouteStats:
    """The requests of one route, or of all actions, between two points. None: there was no request."""

    requests_per_second: dict[str, float] = field(default_factory=dict)  # by envelope status
    p50_seconds: float | None = None
    p95_seconds: float | None = None
    p99_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """The measurements between the previous point and `at`, over all workers. None: unknown, or no observation."""

    at: datetime
    api: RouteStats  # all actions
    by_route: dict[str, RouteStats]  # the routes called since the service started
    in_flight: int
    pool_in_use: int
    pool_idle: int
    pool_limit: int
    pool_waiting: int
    loop_lag_seconds: float | None  # 99th percentile
    workers: int
    worker_restarts: int  # since the service started
    emails: dict[str, int] | None  # by state
    oldest_pending_email_seconds: float | None
    unacknowledged_notifications: int | None
    database_up: bool | None = None
    pending_migrations: int | None = None


class History:
    """The latest `MAX_POINTS` points, oldest first."""

    def __init__(self) -> None:
        self._points: deque[Point] = deque(maxlen=MAX_POINTS)

    def add(self, point: Point) -> None:
        """Append `point`; drops the oldest point if the history is full."""
        self._points.append(point)

    def points(self) -> list[Point]:
        """All points, oldest first."""
        return list(self._points)
