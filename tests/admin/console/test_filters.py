"""The template filters that format values."""

from datetime import datetime, timedelta, timezone

import pytest

from service.admin.console.filters import UNKNOWN, duration, moment, number


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, UNKNOWN), (0, "0"), (0.123, "0.12"), (7, "7"), (12.5, "12"), (1234567, "1,234,567")],
)
def test_numbers(value: float | None, text: str) -> None:
    """A number below 100 has two significant digits unless it is whole."""
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, UNKNOWN),
        (0, "0"),
        (0.00005, "50 µs"),
        (0.0042, "4.2 ms"),
        (0.25, "250 ms"),
        (1, "1 s"),
        (90, "1.5 min"),
        (7200, "2 h"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    """A duration has the unit that fits it."""
    assert duration(seconds) == text


def test_times_are_in_utc() -> None:
    """A time is shown in UTC."""
    at = datetime(2026, 11, 23, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    assert moment(at) == '<time datetime="2026-11-23T10:00:00+00:00">2026-11-23 10:00:00 UTC</time>'
    assert moment(None) == UNKNOWN
