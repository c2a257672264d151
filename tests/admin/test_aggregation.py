"""Aggregation: rates and percentiles of the points in the history."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from service.domain.statuses import ApplicationCrash, Outcome, Status
from service.metrics.aggregation import Totals, aggregate, point_between
from service.metrics.definitions import UNMATCHED, Metrics
from service.metrics.history import MAX_POINTS, History, Point, RouteStats
from tests.factories import CREATE

ERRORS: list[tuple[type[Status], Outcome]] = [(ApplicationCrash, "none"), (ApplicationCrash, "unknown")]

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
OTHER = "/api/v1/requirements/other"

Record = Callable[[Metrics], None]


def totals(metrics: Metrics) -> Totals:
    """The totals of one worker's metrics."""
    return aggregate(metrics.registry.collect())


def point_of(record: Record, prepare: Record = lambda _: None) -> Point:
    """The point of five seconds in which only `record` happened, after `prepare`."""
    metrics = Metrics()
    prepare(metrics)
    before = totals(metrics)
    record(metrics)
    return point_between(NOW, 5.0, before, totals(metrics))


def ten_creates(metrics: Metrics) -> None:
    """Nine fast successes, one slow crash, and one probe."""
    for _ in range(9):
        metrics.answered(CREATE, "action-successful", 200, "created", 0.0015)
    metrics.answered(CREATE, "application-crash", 500, "unknown", 4.0)
    metrics.answered("/ping", None, 200, None, 0.0001)


def test_a_point_covers_the_time_since_the_previous_one() -> None:
    """Rates and percentiles are those of API requests within the interval, without probes."""

    def earlier(metrics: Metrics) -> None:
        for _ in range(1000):
            metrics.answered(CREATE, "action-successful", 200, "created", 0.2)

    point = point_of(ten_creates, earlier)
    assert point.api.requests_per_second == {"action-successful": 1.8, "application-crash": 0.2}
    assert point.api.p50_seconds == pytest.approx(0.001 + 0.0015 * 5 / 9)
    assert point.api.p95_seconds == pytest.approx(2.5 + 2.5 * 0.5)
    assert point.api.p99_seconds == pytest.approx(2.5 + 2.5 * 0.9)
    assert (point.emails, point.unacknowledged_notifications) == (None, None)


def test_each_route_has_its_own_stats() -> None:
    """Every route called has its own rates and percentiles. The stats of all actions are their sum."""

    def two_routes(metrics: Metrics) -> None:
        ten_creates(metrics)
        metrics.answered(OTHER, "invalid-token", 401, "none", 0.0004)

    point = point_of(two_routes)
    assert set(point.by_route) == {CREATE, OTHER}
    assert point.by_route[OTHER].requests_per_second == {"invalid-token": 0.2}
    assert point.by_route[OTHER].p99_seconds == pytest.approx(0.0005 * 0.99)
    assert point.by_route[CREATE].requests_per_second == {"action-successful": 1.8, "application-crash": 0.2}
    assert point.api.requests_per_second == {
        "action-successful": 1.8,
        "application-crash": 0.2,
        "invalid-token": 0.2,
    }


def test_a_route_never_called_has_no_stats() -> None:
    """Predeclared error series do not count as calls."""
    point = point_of(lambda _: None, lambda metrics: metrics.predeclare_errors(CREATE, ERRORS))
    assert point.by_route == {}


def test_an_unknown_path_is_an_api_request_without_a_route() -> None:
    """`route-non-existent` counts for all actions, and for no route; its latency does not count."""
    point = point_of(lambda metrics: metrics.answered(None, "route-non-existent", 500, "none", 0.1))
    assert point.api == RouteStats({"route-non-existent": 0.2})
    assert UNMATCHED not in point.by_route


def test_a_point_without_requests() -> None:
    """Without requests, rates are zero and percentiles unknown."""
    point = point_of(lambda _: None, ten_creates)
    assert set(point.api.requests_per_second.values()) == {0.0}
    assert (point.api.p50_seconds, point.api.p99_seconds, point.loop_lag_seconds) == (None, None, None)


def test_a_point_holds_the_latest_gauges() -> None:
    """Gauges have their values at the end of the interval."""

    def state(metrics: Metrics) -> None:
        metrics.requests_in_flight.set(3)
        metrics.pool_connections.labels("in_use").set(5)
        metrics.pool_connections.labels("idle").set(2)
        metrics.pool_limit.set(8)
        metrics.pool_waiting.set(1)
        metrics.loop_lag.observe(0.003)

    point = point_of(state)
    assert (point.in_flight, point.pool_in_use, point.pool_idle) == (3, 5, 2)
    assert (point.pool_limit, point.pool_waiting) == (8, 1)
    assert point.loop_lag_seconds == pytest.approx(0.0025 + 0.0025 * 0.99)


def test_a_point_without_any_metrics() -> None:
    """Without metrics, a point is empty and no error is raised."""
    empty = aggregate([])
    point = point_between(NOW, 5.0, empty, empty)
    assert (point.api, point.by_route, point.workers, point.pool_limit) == (RouteStats(), {}, 0, 0)


def test_the_history_holds_one_hour() -> None:
    """A full history drops its oldest point."""
    history, point = History(), point_of(ten_creates)
    for _ in range(MAX_POINTS):
        history.add(point)
    last = point_of(lambda _: None)
    history.add(last)
    assert len(history.points()) == MAX_POINTS
    assert history.points()[-1] is last
