"""The statistics of the benchmark."""

import pytest

from tests.tools.benchmark.contestants import after_warm_up
from tests.tools.benchmark.figures import Spread, percentile, ratios
from tests.tools.benchmark.payloads import params, requests, token

PGBENCH = """
progress: 1.0 s, 600.0 tps, lat 5.0 ms stddev 1.0, 0 failed
progress: 2.0 s, 1000.0 tps, lat 3.0 ms stddev 1.0, 0 failed
duration: 3 s
number of transactions actually processed: 2632
"""


@pytest.mark.parametrize(
    ("percent", "sample"), [(0, 1.0), (1, 1.0), (49.9, 50.0), (50, 50.0), (50.1, 51.0), (99, 99.0), (100, 100.0)]
)
def test_a_percentile_is_one_of_the_samples(percent: float, sample: float) -> None:
    """The percentile is the nearest rank of the samples 1 to 100."""
    assert percentile([float(number) for number in range(1, 101)], percent) == sample


def test_no_percentile_without_samples() -> None:
    """Without samples an error is raised."""
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 50)


def test_a_spread_is_median_lowest_and_highest() -> None:
    """The order of the rounds does not matter."""
    assert Spread.of([3.0, 1.0, 8.0, 2.0]) == Spread(2.5, 1.0, 8.0)
    assert Spread.of([]) is None


def test_ratios_are_taken_round_by_round() -> None:
    """A slow round counts as much as a fast one."""
    assert ratios([10.0, 5.0, 30.0], [20.0, 10.0, 40.0]) == Spread(0.5, 0.5, 0.75)
    assert ratios([10.0], []) is None


def test_pgbench_counts_after_the_warm_up() -> None:
    """Of 2,632 transactions, 600 fell into the first second, and 32 clients finished one after the end."""
    assert after_warm_up(PGBENCH, 1, 32) == (2632, 1000.0)


def test_pgbench_counts_all_if_progress_is_reported_late() -> None:
    """If progress is reported only at the end, the rate is that of the whole time."""
    late = PGBENCH.replace("progress: 1.0 s", "progress: 2.95 s").replace("progress: 2.0 s", "progress: 3.0 s")
    assert after_warm_up(late, 1, 32) == (2632, 2600 / 3)


def test_pgbench_has_no_rate_below_zero() -> None:
    """If most clients finish no transaction after the warm-up, all transactions count."""
    assert after_warm_up(PGBENCH.replace("2632", "900"), 1, 512) == (900, 300.0)


def test_requests_are_the_same_in_every_run_and_differ_among_themselves() -> None:
    """Every contestant gets the same load, from many callers."""
    first = requests("session", 1000, 80)
    assert first == requests("session", 1000, 80)
    assert (
        len({next_params["token"] for next_params, _ in zip(params("session", 1000), range(1000), strict=False)}) > 600
    )


def test_tokens_are_as_long_as_real_ones() -> None:
    """Tokens of both kinds have 43 characters."""
    assert token("application", 7) == "benchmark-application-000000000000000000007"
    assert token("session", 7) == "benchmark-session-0000000000000000000000007"
