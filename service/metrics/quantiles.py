"""Percentiles out of histograms."""

import math
from collections.abc import Mapping

# How many observations are at or below each upper bound, the last of which is infinite.
Buckets = Mapping[float, float]


def quantile(share: float, buckets: Buckets) -> float | None:
    """The value that a `share` of the observations is at or below, interpolated as Prometheus does.

    None without observations; of those beyond the last finite bound no more is known than that bound.
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


def since(before: Buckets, after: Buckets) -> Buckets:
    """The observations made between two readings of one histogram."""
    return {bound: count - before.get(bound, 0.0) for bound, count in after.items()}
