"""Percentiles of histograms."""

import math

import pytest
from prometheus_client import CollectorRegistry, Histogram

from service.metrics.quantiles import Buckets, quantile, subtract


@pytest.mark.parametrize(
    ("name", "share", "buckets", "expected"),
    [
        ("no histogram", 0.5, {}, None),
        ("no observation", 0.5, {1.0: 0, math.inf: 0}, None),
        ("all in the first bucket, which starts at 0", 0.5, {1.0: 4, 2.0: 4, math.inf: 4}, 0.5),
        ("in the middle of the second bucket", 0.75, {1.0: 2, 3.0: 4, math.inf: 4}, 2.0),
        ("at a bound", 0.5, {1.0: 2, 3.0: 4, math.inf: 4}, 1.0),
        ("empty buckets are skipped", 0.99, {1.0: 0, 2.0: 0, 4.0: 100, math.inf: 100}, 3.98),
        ("beyond the last finite bound", 0.99, {1.0: 5, 2.0: 5, math.inf: 10}, 2.0),
        ("share 0", 0.0, {1.0: 0, 2.0: 3, math.inf: 3}, 1.0),
        ("share 1", 1.0, {1.0: 1, 2.0: 3, math.inf: 3}, 2.0),
        ("unsorted bounds", 0.75, {math.inf: 4, 3.0: 4, 1.0: 2}, 2.0),
    ],
)
def test_quantile(name: str, share: float, buckets: Buckets, expected: float | None) -> None:
    """A percentile is interpolated within its bucket, as Prometheus does."""
    assert quantile(share, buckets) == (None if expected is None else pytest.approx(expected)), name


def test_subtract_gives_the_observations_between() -> None:
    """The observations between two states are the difference; a missing earlier state counts as zero."""
    assert subtract({1.0: 4, math.inf: 9}, {1.0: 3, math.inf: 5}) == {1.0: 1, math.inf: 4}
    assert subtract({1.0: 4, math.inf: 9}, {}) == {1.0: 4, math.inf: 9}


def test_buckets_of_the_library() -> None:
    """The cumulative buckets of prometheus_client are those that `quantile` expects."""
    histogram = Histogram("test_seconds", "A test's.", buckets=(1.0, 2.0), registry=CollectorRegistry())
    for value in (0.5, 1.5, 1.6, 9.0):
        histogram.observe(value)
    samples = [sample for family in histogram.collect() for sample in family.samples if sample.name.endswith("_bucket")]
    buckets = {float(sample.labels["le"]): sample.value for sample in samples}
    assert buckets == {1.0: 1, 2.0: 3, math.inf: 4}
    assert quantile(0.5, buckets) == 1.5
