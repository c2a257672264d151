"""The Overview tab: how the service has been doing in the last hour, drawn from memory and not from the database."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from service.admin import keys
from service.admin.console.charts import Chart, Measure, draw
from service.admin.console.filters import UNKNOWN, duration, number
from service.admin.console.rendering import page, part
from service.metrics.history import Point

SUCCESSES = frozenset({"action-successful", "200"})
DRAWN_STATUSES = 5


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure of this moment; `alarm` when a person should look at it."""

    label: str
    value: str
    more: str = ""
    alarm: bool = False


async def show(request: web.Request) -> web.Response:
    """The whole tab; `live=off` in the address keeps it still."""
    live = request.query.get("live") != "off"
    return await page(request, "overview.html", "overview", live=live, **_panels(request))


async def show_panels(request: web.Request) -> web.Response:
    """What changes, for a page that is open."""
    return part(request, "_panels.html", **_panels(request))


def _panels(request: web.Request) -> dict[str, object]:
    points = request.config_dict[keys.HISTORY].points()
    return {
        "tiles": tiles(points[-1]) if points else [],
        "charts": charts(points),
        "at": points[-1].at if points else None,
    }


def tiles(point: Point) -> list[Tile]:
    """The figures of the latest point."""
    total = sum(point.requests_per_second.values())
    emails = point.emails or {}
    failing = sum(rate for status, rate in point.requests_per_second.items() if _is_crash(status))
    return [
        Tile("Answers", f"{number(round(total, 1))}/s", f"{number(round(failing, 2))}/s failed", failing > 0),
        Tile("Latency p99", duration(point.p99_seconds), f"p50 {duration(point.p50_seconds)}"),
        Tile("In flight", number(point.in_flight), f"loop lag {duration(point.loop_lag_seconds)}"),
        Tile(
            "Database pool",
            f"{point.pool_in_use} of {point.pool_limit}",
            f"{point.pool_waiting} waiting",
            alarm=point.pool_waiting > 0,
        ),
        Tile("Workers", number(point.workers), f"{point.worker_restarts} restarts", alarm=point.workers == 0),
        Tile(
            "E-mails pending",
            number(emails["pending"]) if "pending" in emails else _unknown_or_zero(point),
            f"oldest {duration(point.oldest_pending_email_seconds)}",
        ),
        Tile(
            "E-mails given up",
            number(emails["dead"]) if "dead" in emails else _unknown_or_zero(point),
            f"{number(emails.get('sent', 0))} sent" if point.emails is not None else "",
            alarm=bool(emails.get("dead")),
        ),
    ]


def charts(points: Sequence[Point]) -> list[Chart]:
    """The lines of the last hour."""
    return [
        draw(points, "answers", "Answers per second", number, **_by_status(points)),
        draw(
            points,
            "latency",
            "Latency of creates",
            duration,
            p50=lambda point: point.p50_seconds,
            p95=lambda point: point.p95_seconds,
            p99=lambda point: point.p99_seconds,
        ),
        draw(
            points,
            "pool",
            "Database connections",
            number,
            in_use=lambda point: point.pool_in_use,
            idle=lambda point: point.pool_idle,
            waiting_for_one=lambda point: point.pool_waiting,
        ),
        draw(
            points,
            "emails",
            "E-mail outbox",
            number,
            pending=lambda point: None if point.emails is None else point.emails.get("pending", 0),
            given_up=lambda point: None if point.emails is None else point.emails.get("dead", 0),
        ),
        draw(
            points,
            "workers",
            "Worker processes",
            number,
            running=lambda point: point.workers,
            requests_in_flight=lambda point: point.in_flight,
        ),
        draw(points, "lag", "Event loop lag", duration, p99=lambda point: point.loop_lag_seconds),
    ]


def _by_status(points: Sequence[Point]) -> dict[str, Measure]:
    """A line for each of the most frequent statuses, the successes first."""
    totals: Counter[str] = Counter()
    for point in points:
        totals.update(point.requests_per_second)
    names = sorted(name for name, total in totals.most_common(DRAWN_STATUSES) if total > 0)
    return {name: _rate(name) for name in sorted(names, key=lambda name: name not in SUCCESSES)}


def _rate(status: str) -> Measure:
    return lambda point: point.requests_per_second.get(status, 0.0)


def _is_crash(status: str) -> bool:
    return status in {"application-crash", "identify-request-error", "mandrill-email-failed"}


def _unknown_or_zero(point: Point) -> str:
    return UNKNOWN if point.emails is None else "0"


ROUTES = (web.get("/", show), web.get("/overview/panels", show_panels))
