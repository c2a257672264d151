"""The template filters that format values."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from jinja2 import Environment
from markupsafe import escape

from service.admin.console.filters import FILTERS, UNKNOWN, distance, duration, exact_moment, moment, number
from service.database.timestamps import EARLIEST, LATEST


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


def test_times_are_told_from_now_with_the_time_in_utc() -> None:
    """A time is shown as the distance from now, and its title is the time in UTC; the exact form shows both."""
    at = datetime(2020, 11, 23, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    years = int((datetime.now(UTC) - at).days / 365)
    element = f'<time datetime="2020-11-23T10:00:00+00:00" title="2020-11-23 10:00:00 UTC">{years} years ago</time>'
    assert moment(at) == element
    assert exact_moment(at) == f"2020-11-23 10:00:00 UTC ({element})"
    assert (moment(None), exact_moment(None)) == (UNKNOWN, UNKNOWN)


@pytest.mark.parametrize("text", ["infinity", "-infinity", "20000-01-01T00:00:00Z", "0044-03-15 BC", "<b>"])
def test_a_time_that_no_datetime_holds_is_shown_as_its_text(text: str) -> None:
    """A time that a query gives as a text is shown unchanged, and escaped."""
    env = Environment(autoescape=True)
    env.filters.update(FILTERS)
    for name in ("moment", "exact_moment"):
        assert env.from_string(f"{{{{ at|{name} }}}}").render(at=text) == escape(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"),
        (-1.9, "just now"),
        (-2, "2 s ago"),
        (59.9, "in 59 s"),
        (-60, "1 min ago"),
        (-7199, "1 h ago"),
        (-86_400, "1 day ago"),
        (3 * 86_400, "in 3 days"),
        (-30 * 86_400, "1 month ago"),
        (-364 * 86_400, "12 months ago"),
        (-365 * 86_400, "1 year ago"),
    ],
)
def test_distances(seconds: float, text: str) -> None:
    """A distance from now is in its largest unit, in the past or the future."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert distance(now + timedelta(seconds=seconds), now) == text


def test_the_extremes_of_a_datetime_are_shown() -> None:
    """The first and the last day are shown; the extremes stand for times beyond them, and are shown as such."""
    assert [moment(EARLIEST), exact_moment(LATEST)] == ["before the year 1", "after the year 9999"]
    for year, month, day in ((1, 1, 2), (9999, 12, 31)):
        assert f'title="{year:04}-{month:02}-{day:02} 00:00:00 UTC"' in moment(datetime(year, month, day, tzinfo=UTC))
