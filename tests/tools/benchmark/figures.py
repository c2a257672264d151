"""Statistics of the benchmark."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


def percentile(ascending: Sequence[float], percent: float) -> float:
    """Return the smallest sample not exceeded by at least `percent` % of the samples. Raises ValueError if empty."""
    if not ascending:
        raise ValueError("no samples")
    return ascending[max(math.ceil(len(ascending) * percent / 100), 1) - 1]


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, lowest and highest of several rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread | None":
        """Return the spread of the values, None if there are none."""
        known = sorted(values)
        return cls(median(known), known[0], known[-1]) if known else None


def ratios(above: Iterable[float], below: Iterable[float]) -> Spread | None:
    """Return the ratios of two contestants, computed for each round, so that a slow machine slows both."""
    return Spread.of(one / other for one, other in zip(above, below, strict=False) if other)
