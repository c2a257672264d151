"""Points of the history, for tests of the Overview."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from service.metrics.history import Point, RouteStats

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
IDLE = Point(
    at=NOW,
    api=RouteStats(),
    by_route={},
    in_flight=0,
    pool_in_use=0,
    pool_idle=0,
    pool_limit=16,
    pool_waiting=0,
    loop_lag_seconds=None,
    workers=2,
    worker_restarts=0,
    emails=None,
    oldest_pending_email_seconds=None,
    unacknowledged_notifications=None,
)


def point(minutes_ago: float = 0, **changes: Any) -> Point:
    """An idle point `minutes_ago`, with `changes`."""
    return replace(IDLE, at=NOW - timedelta(minutes=minutes_ago), **changes)


def answered(**requests_per_second: float) -> RouteStats:
    """The stats of a route with these rates; `_` stands for the hyphen of a status."""
    return RouteStats({status.replace("_", "-"): rate for status, rate in requests_per_second.items()})
