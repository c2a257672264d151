"""The data of the Overview's charts, as the browser draws them: the last hour, one value per point and series."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from service.admin.console.status_colours import ERROR, Colour, line_colour, shown_statuses, status_colour
from service.metrics.history import Point, RouteStats

Unit = Literal["number", "seconds"]
Values = list[float | None]

SIGNIFICANT_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart. A value of None leaves a gap."""

    label: str
    colour: Colour
    values: Values


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart. `whole` marks values that are whole numbers, so that the axis has no ticks between them."""

    id: str
    title: str
    unit: Unit
    whole: bool = False


CHARTS = (
    Chart("requests", "API requests per second, by status", "number"),
    Chart("latency", "API latency", "seconds"),
    Chart("pool", "Database connections", "number", whole=True),
    Chart("emails", "E-mail outbox", "number", whole=True),
    Chart("workers", "Workers and requests in progress", "number", whole=True),
    Chart("lag", "Event loop lag", "seconds"),
)


@dataclass(frozen=True, slots=True)
class ChartsData:
    """All charts: the time of each point in Unix seconds, and the series by chart id."""

    times: list[float]
    series: dict[str, list[Series]]


def charts_data(points: Sequence[Point], route: str | None = None) -> ChartsData:
    """The series of all charts over `points`. `route` limits requests and latency to one route; None: all actions."""
    api = [route_stats(point, route) for point in points]
    series = {
        "requests": _by_status(api),
        "latency": [
            _series(0, "p50", [stats.p50_seconds for stats in api]),
            _series(1, "p95", [stats.p95_seconds for stats in api]),
            _series(2, "p99", [stats.p99_seconds for stats in api]),
        ],
        "pool": [
            _series(0, "in use", [point.pool_in_use for point in points]),
            _series(1, "idle", [point.pool_idle for point in points]),
            _series(2, "tasks waiting", [point.pool_waiting for point in points]),
        ],
        "emails": [
            _series(0, "pending", _emails(points, "pending")),
            Series("given up", ERROR, _rounded(_emails(points, "dead"))),
        ],
        "workers": [
            _series(0, "workers", [point.workers for point in points]),
            _series(1, "requests in progress", [point.in_flight for point in points]),
        ],
        "lag": [_series(0, "p99", [point.loop_lag_seconds for point in points])],
    }
    return ChartsData([round(point.at.timestamp(), 1) for point in points], series)


def route_stats(point: Point, route: str | None) -> RouteStats:
    """The stats of `route` in `point`; of all actions for None."""
    return point.api if route is None else point.by_route.get(route, RouteStats())


def _by_status(api: Sequence[RouteStats]) -> list[Series]:
    """One series per status that was answered, our own errors first."""
    answered = {status for stats in api for status, rate in stats.requests_per_second.items() if rate > 0}
    return [
        Series(status, status_colour(status), _rounded(stats.requests_per_second.get(status, 0.0) for stats in api))
        for status in shown_statuses(answered)
    ]


def _emails(points: Sequence[Point], state: str) -> Values:
    return [None if point.emails is None else float(point.emails.get(state, 0)) for point in points]


def _series(number: int, label: str, values: Iterable[float | None]) -> Series:
    return Series(label, line_colour(number), _rounded(values))


def _rounded(values: Iterable[float | None]) -> Values:
    """Rounded to a few significant digits, which is more than a chart shows, to keep the response small."""
    return [None if value is None else float(f"{value:.{SIGNIFICANT_DIGITS}g}") for value in values]
