"""The arithmetic of the benchmark."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


def percentile(ascending: Sequence[float], percent: float) -> float:
    """The smallest sample that at least `percent` of 100 samples do not exceed. Raises ValueError without samples."""
    if not ascending:
        raise ValueError("no samples")
    return ascending[max(math.ceil(len(ascending) * percent / 100), 1) - 1]


@dataclass(frozen=True, slots=True)
class Spread:
    """What several rounds gave."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread | None":
        """The spread of the values, None of none."""
        known = sorted(values)
        return cls(median(known), known[0], known[-1]) if known else None


def ratios(above: Iterable[float], below: Iterable[float]) -> Spread | None:
    """How one contestant compares with another, round by round: a machine that slows down slows both."""
    return Spread.of(one / other for one, other in zip(above, below, strict=False) if other)
