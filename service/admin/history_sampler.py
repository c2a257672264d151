"""Filling the history: a point every few seconds, from what is measured and what the database says."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from service.metrics.aggregation import point, reading
from service.metrics.database_stats import DatabaseStats, Facts
from service.metrics.files import read
from service.metrics.history import SECONDS_BETWEEN_POINTS, History, Point


async def watch(history: History, folder: Path, finder: DatabaseStats, seconds: float = SECONDS_BETWEEN_POINTS) -> None:
    """Add a point to `history` every few `seconds` until cancelled."""
    before, then = reading(read(folder)), time.monotonic()
    while True:
        await asyncio.sleep(seconds)
        after, now = reading(read(folder)), time.monotonic()
        measured = point(datetime.now(UTC), now - then, before, after)
        history.add(_with_facts(measured, await finder.facts()))
        before, then = after, now


def _with_facts(measured: Point, facts: Facts) -> Point:
    if facts.backlog is None:
        return measured
    return replace(
        measured,
        emails=facts.emails,
        oldest_pending_email_seconds=facts.backlog.oldest_pending_email_seconds,
        unacknowledged_notifications=facts.backlog.unacknowledged_notifications,
    )
