"""The history sampler: adds a point to the history every few seconds."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from service.metrics.aggregation import aggregate, point_between
from service.metrics.database_stats import DatabaseStats, StatsSnapshot
from service.metrics.files import collect
from service.metrics.history import SECONDS_BETWEEN_POINTS, History, Point


async def sample_history(
    history: History, folder: Path, database_stats: DatabaseStats, seconds: float = SECONDS_BETWEEN_POINTS
) -> None:
    """Add a point to `history` every `seconds` until cancelled. `folder` holds the metrics files."""
    before, started = aggregate(collect(folder)), time.monotonic()
    while True:
        await asyncio.sleep(seconds)
        after, ended = aggregate(collect(folder)), time.monotonic()
        point = point_between(datetime.now(UTC), ended - started, before, after)
        history.add(_with_stats(point, await database_stats.snapshot()))
        before, started = after, ended


def _with_stats(point: Point, stats: StatsSnapshot) -> Point:
    point = replace(point, database_up=stats.database_up, pending_migrations=stats.pending_migrations)
    if stats.backlog is None:
        return point
    return replace(
        point,
        emails=stats.emails,
        oldest_pending_email_seconds=stats.backlog.oldest_pending_email_seconds,
        unacknowledged_notifications=stats.backlog.unacknowledged_notifications,
    )
