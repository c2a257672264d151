"""The figures of the Overview: the health, the tiles, and the totals of a time range."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from service.admin.console.charts import route_stats
from service.admin.console.filters import duration, number
from service.admin.console.status_colours import ERRORS, SUCCESS, shown_statuses
from service.metrics.history import SECONDS_BETWEEN_POINTS, Point

EMAILS = "/console/emails"
NOTIFICATIONS = "/console/notifications"

# As in the alert RequirementsEmailsLate.
LATE_EMAIL_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Tile:
    """One current figure, and the address where to read on. `alarm` marks a figure that an operator should look at."""

    label: str
    value: str
    more: str
    address: str
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class HealthItem:
    """The state of one part of the service. `good` None: unknown."""

    label: str
    text: str
    good: bool | None


@dataclass(frozen=True, slots=True)
class Total:
    """How many requests were answered with a status in the time range, and their share of all, from 0 to 1."""

    status: str
    count: int
    share: float
    kind: str  # error, success or refusal


def points_within(points: Sequence[Point], minutes: int) -> list[Point]:
    """The points of the last `minutes` before the latest one."""
    return [point for point in points if point.at > points[-1].at - timedelta(minutes=minutes)]


def health(point: Point, workers: int) -> list[HealthItem]:
    """The state of the database, the migrations and the workers, of which there should be `workers`."""
    pending = point.pending_migrations
    return [
        HealthItem("Database", _UP[point.database_up], point.database_up),
        HealthItem(
            "Migrations",
            "unknown" if pending is None else f"{pending} pending" if pending else "all applied",
            None if pending is None else pending == 0,
        ),
        HealthItem("Workers", f"{point.workers} of {workers} running", point.workers >= workers),
    ]


_UP: Mapping[bool | None, str] = {True: "answers", False: "does not answer", None: "unknown"}


def tiles(point: Point, route: str | None = None) -> list[Tile]:
    """The figures of one point. `route` limits requests and latency to one route."""
    return [*_request_tiles(point, route), *_process_tiles(point), *_database_tiles(point)]


def _request_tiles(point: Point, route: str | None) -> list[Tile]:
    api = route_stats(point, route)
    total = sum(api.requests_per_second.values())
    failed = sum(rate for status, rate in api.requests_per_second.items() if status in ERRORS)
    return [
        Tile(
            "API requests",
            f"{number(round(total, 1))}/s",
            f"{number(round(failed, 2))}/s failed",
            f"{NOTIFICATIONS}?unread=1" if failed > 0 else "#requests",
            alarm=failed > 0,
        ),
        Tile("Latency p99", duration(api.p99_seconds), f"p50 {duration(api.p50_seconds)}", "#latency"),
    ]


def _process_tiles(point: Point) -> list[Tile]:
    pool, waiting = f"{point.pool_in_use} of {point.pool_limit}", point.pool_waiting
    restarts = f"{number(point.worker_restarts)} restarts"
    return [
        Tile("In progress", number(point.in_flight), f"loop lag {duration(point.loop_lag_seconds)}", "#workers"),
        Tile("Database pool", pool, f"{waiting} waiting", "#pool", alarm=waiting > 0),
        Tile("Workers", number(point.workers), restarts, "#workers", alarm=point.workers == 0),
    ]


def _database_tiles(point: Point) -> list[Tile]:
    unread, oldest = point.unacknowledged_notifications, point.oldest_pending_email_seconds
    pending, dead, sent = (_emails(point, state) for state in ("pending", "dead", "sent"))
    late = oldest is not None and oldest > LATE_EMAIL_SECONDS
    return [
        Tile("Notifications", number(unread), "unread", f"{NOTIFICATIONS}?unread=1", alarm=bool(unread)),
        Tile("E-mails pending", number(pending), f"oldest {duration(oldest)}", f"{EMAILS}?state=pending", alarm=late),
        Tile("E-mails given up", number(dead), f"{number(sent)} sent", f"{EMAILS}?state=dead", alarm=bool(dead)),
    ]


def _emails(point: Point, state: str) -> int | None:
    """The number of e-mails in a state; None if it is unknown."""
    return None if point.emails is None else point.emails.get(state, None if state == "sent" else 0)


def totals(points: Sequence[Point], minutes: int, route: str | None = None) -> list[Total]:
    """The answers of the last `minutes` by status, in the order of the charts' legend."""
    counts = defaultdict[str, float](float)
    hidden = len(points) - len(points_within(points, minutes))
    for place, point in enumerate(points[hidden:], start=hidden):
        # The first point has no previous one. Its time since the start is the usual time between two points.
        seconds = (point.at - points[place - 1].at).total_seconds() if place else SECONDS_BETWEEN_POINTS
        for status, rate in route_stats(point, route).requests_per_second.items():
            counts[status] += rate * seconds
    answered = {status: round(count) for status, count in counts.items() if count > 0}
    total = sum(answered.values())
    return [
        Total(status, answered[status], answered[status] / total if total else 0.0, _kind(status))
        for status in shown_statuses(answered)
    ]


def _kind(status: str) -> str:
    return "error" if status in ERRORS else "success" if status == SUCCESS else "refusal"
