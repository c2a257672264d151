"""The last hour as drawn: the arithmetic of rates and percentiles, and that it stays small."""

import math
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry, Histogram

from service.metrics.aggregation import Reading, point, reading
from service.metrics.definitions import Metrics
from service.metrics.history import KEPT_POINTS, History, Point
from service.metrics.quantiles import Buckets, quantile, since
from tests.factories import CREATE

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)

Record = Callable[[Metrics], None]


@pytest.mark.parametrize(
    ("name", "share", "buckets", "expected"),
    [
        ("no histogram", 0.5, {}, None),
        ("no observation", 0.5, {1.0: 0, math.inf: 0}, None),
        ("all in the first, from 0 up", 0.5, {1.0: 4, 2.0: 4, math.inf: 4}, 0.5),
        ("in the midst of the second", 0.75, {1.0: 2, 3.0: 4, math.inf: 4}, 2.0),
        ("at a bound", 0.5, {1.0: 2, 3.0: 4, math.inf: 4}, 1.0),
        ("empty ones are passed over", 0.99, {1.0: 0, 2.0: 0, 4.0: 100, math.inf: 100}, 3.98),
        ("beyond the last bound", 0.99, {1.0: 5, 2.0: 5, math.inf: 10}, 2.0),
        ("the least", 0.0, {1.0: 0, 2.0: 3, math.inf: 3}, 1.0),
        ("the most", 1.0, {1.0: 1, 2.0: 3, math.inf: 3}, 2.0),
        ("in whatever order", 0.75, {math.inf: 4, 3.0: 4, 1.0: 2}, 2.0),
    ],
)
def test_quantile(name: str, share: float, buckets: Buckets, expected: float | None) -> None:
    """A percentile is interpolated within its bucket, as Prometheus does."""
    assert quantile(share, buckets) == (None if expected is None else pytest.approx(expected)), name


def test_since_is_what_was_observed_between() -> None:
    """A histogram that was not there before began at nothing."""
    assert since({1.0: 3, math.inf: 5}, {1.0: 4, math.inf: 9}) == {1.0: 1, math.inf: 4}
    assert since({}, {1.0: 4, math.inf: 9}) == {1.0: 4, math.inf: 9}


def read(metrics: Metrics) -> Reading:
    """The reading of one worker's metrics."""
    return reading(metrics.registry.collect())


def drawn(record: Record, prepare: Record = lambda _: None) -> Point:
    """The point of five seconds in which `record` was all that happened."""
    metrics = Metrics()
    prepare(metrics)
    before = read(metrics)
    record(metrics)
    return point(NOW, 5.0, before, read(metrics))


def ten_creates(metrics: Metrics) -> None:
    """Nine quick successes and a slow crash, beside a probe."""
    for _ in range(9):
        metrics.answered(CREATE, "action-successful", 200, "created", 0.0015)
    metrics.answered(CREATE, "application-crash", 500, "unknown", 4.0)
    metrics.answered("/ping", None, 200, None, 0.0001)


def test_a_point_tells_what_happened_since_the_last() -> None:
    """Rates are by status, or HTTP code where there is none; percentiles are of the API alone and of that time."""

    def earlier(metrics: Metrics) -> None:
        for _ in range(1000):
            metrics.answered(CREATE, "action-successful", 200, "created", 0.2)

    made = drawn(ten_creates, earlier)
    assert made.requests_per_second == {"action-successful": 1.8, "application-crash": 0.2, "200": 0.2}
    assert made.p50_seconds == pytest.approx(0.001 + 0.0015 * 5 / 9)
    assert made.p95_seconds == pytest.approx(2.5 + 2.5 * 0.5)
    assert made.p99_seconds == pytest.approx(2.5 + 2.5 * 0.9)
    assert (made.emails, made.unacknowledged_notifications) == (None, None)


def test_a_point_of_silence() -> None:
    """Where nothing was asked, rates are zero and percentiles unknown."""
    made = drawn(lambda _: None, ten_creates)
    assert set(made.requests_per_second.values()) == {0.0}
    assert (made.p50_seconds, made.p99_seconds, made.loop_lag_seconds) == (None, None, None)


def test_a_point_tells_the_state() -> None:
    """Gauges are as they are at the end of the time."""

    def state(metrics: Metrics) -> None:
        metrics.requests_in_flight.set(3)
        metrics.pool_connections.labels("in_use").set(5)
        metrics.pool_connections.labels("idle").set(2)
        metrics.pool_limit.set(8)
        metrics.pool_waiting.set(1)
        metrics.loop_lag.observe(0.003)

    made = drawn(state)
    assert (made.in_flight, made.pool_in_use, made.pool_idle, made.pool_limit, made.pool_waiting) == (3, 5, 2, 8, 1)
    assert made.loop_lag_seconds == pytest.approx(0.0025 + 0.0025 * 0.99)


def test_the_first_point_of_a_service_without_metrics() -> None:
    """Nothing measured is nothing drawn, and no error."""
    empty = reading([])
    made = point(NOW, 5.0, empty, empty)
    assert (made.requests_per_second, made.p50_seconds, made.workers, made.pool_limit) == ({}, None, 0, 0)


def test_a_history_is_an_hour() -> None:
    """The oldest point leaves for the newest."""
    history, made = History(), drawn(ten_creates)
    for _ in range(KEPT_POINTS):
        history.add(made)
    last = drawn(lambda _: None)
    history.add(last)
    assert len(history.points()) == KEPT_POINTS
    assert history.points()[-1] is last


def test_our_percentiles_agree_with_the_library() -> None:
    """What the library counts as cumulative buckets is what the arithmetic expects."""
    histogram = Histogram("test_seconds", "A test's.", buckets=(1.0, 2.0), registry=CollectorRegistry())
    for value in (0.5, 1.5, 1.6, 9.0):
        histogram.observe(value)
    samples = [sample for family in histogram.collect() for sample in family.samples if sample.name.endswith("_bucket")]
    buckets = {float(sample.labels["le"]): sample.value for sample in samples}
    assert buckets == {1.0: 1, 2.0: 3, math.inf: 4}
    assert quantile(0.5, buckets) == 1.5
