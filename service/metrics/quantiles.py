"""Percentiles of histograms."""

import math
from collections.abc import Mapping

# The number of observations at or below each upper bound. The last bound is infinite.
Buckets = Mapping[float, float]


def quantile(share: float, buckets: Buckets) -> float | None:
    """The value that a `share` (0 to 1) of the observations does not exceed.

    Interpolates within a bucket as Prometheus's `histogram_quantile` does. Returns None without observations, and the
    largest finite bound if the value is above it.
    """
    total = buckets.get(math.inf, 0.0)
    if total <= 0:
        return None
    rank = share * total
    lower, below = 0.0, 0.0
    for upper, count in sorted(buckets.items()):
        if count >= rank and count > below:
            return lower if math.isinf(upper) else lower + (upper - lower) * (rank - below) / (count - below)
        lower, below = upper, count
    return lower


def subtract(after: Buckets, before: Buckets) -> Buckets:
    """The observations made between two states of one histogram."""
    return {bound: count - before.get(bound, 0.0) for bound, count in after.items()}
