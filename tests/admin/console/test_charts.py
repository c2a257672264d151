"""The geometry of a chart, and values as people read them."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from service.admin.console.charts import HEIGHT, WIDTH, draw, nice_top, path
from service.admin.console.filters import UNKNOWN, duration, moment, number
from service.admin.console.overview import charts, tiles
from service.metrics.history import Point

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
QUIET = Point(
    at=NOW,
    requests_per_second={},
    p50_seconds=None,
    p95_seconds=None,
    p99_seconds=None,
    in_flight=0,
    pool_in_use=0,
    pool_idle=0,
    pool_limit=16,
    pool_waiting=0,
    loop_lag_seconds=None,
    workers=2,
    worker_restarts=0,
    emails=None,
    oldest_pending_email_seconds=None,
    unacknowledged_notifications=None,
)


def point(minutes_ago: float = 0, **changes: Any) -> Point:
    """A point of so long ago."""
    facts = {name: getattr(QUIET, name) for name in Point.__dataclass_fields__}
    return Point(**{**facts, "at": NOW - timedelta(minutes=minutes_ago), **changes})


@pytest.mark.parametrize(
    ("highest", "top"),
    [(0, 1), (0.0031, 0.005), (1, 1), (1.1, 2), (2, 2), (3, 5), (7, 10), (10, 10), (99, 100), (101, 200), (1e-9, 1e-9)],
)
def test_the_upper_edge_is_a_round_number(highest: float, top: float) -> None:
    """The axis ends at the next 1, 2 or 5 of a power of ten."""
    assert nice_top(highest) == pytest.approx(top)


def test_a_gap_stays_a_gap() -> None:
    """Where nothing is known no line is drawn, and it goes on after."""
    values = [(0.0, 0.0), (5.0, 5.0), (10.0, None), (15.0, 10.0)]
    assert path(values, 10.0) == f"M0.0 {HEIGHT:.1f}L5.0 {HEIGHT / 2:.1f}M15.0 0.0h0"


def test_a_line_spans_the_hour() -> None:
    """The oldest point of the hour is at the left edge, the latest at the right; older ones are not drawn."""
    chart = draw([point(61, workers=9), point(59.9), point()], "x", "X", number, workers=lambda at: at.workers)
    (line,) = chart.lines
    assert line.path == f"M0.0 0.0L{WIDTH:.1f} 0.0"
    assert (line.latest, chart.heights) == ("2", ("2", "1", "0"))
    assert chart.times == ("09:00", "09:15", "09:30", "09:45", "10:00")


@pytest.mark.parametrize(
    ("minutes", "first"), [(0, "09:56"), (3, "09:56"), (4, "09:40"), (19, "09:40"), (20, "09:00"), (90, "09:00")]
)
def test_a_young_service_fills_its_charts(minutes: int, first: str) -> None:
    """The time that is drawn is as short as all points allow, in quarters of full minutes."""
    chart = draw([point(minutes), point()], "x", "X", number, workers=lambda at: at.workers)
    assert (chart.times[0], chart.times[-1]) == (first, "10:00")


def test_no_peak_is_lost() -> None:
    """Of the points that share a column the highest is drawn."""
    points = [point(59.9, in_flight=1), point(0.3, in_flight=1), point(0.2, in_flight=8), point(0.1, in_flight=2)]
    (line,) = draw(points, "x", "X", number, in_flight=lambda at: at.in_flight).lines
    assert line.path == f"M0.0 {HEIGHT * 0.9:.1f}L{WIDTH:.1f} {HEIGHT * 0.2:.1f}"


def test_a_fresh_start_draws_nothing() -> None:
    """Without a point there are charts without lines through anything, and without a time."""
    drawn = charts([])
    assert {line.path for chart in drawn for line in chart.lines} == {""}
    assert len(drawn) == 6
    assert {chart.times for chart in drawn} == {()}


def test_what_is_not_known_is_no_zero() -> None:
    """A database that does not answer leaves the outbox unknown, not empty."""
    shown = {tile.label: tile.value for tile in tiles(QUIET)}
    assert (shown["E-mails pending"], shown["E-mails given up"], shown["Latency p99"]) == (UNKNOWN, UNKNOWN, UNKNOWN)
    assert "E-mail outbox" in [chart.title for chart in charts([QUIET]) if not any(line.path for line in chart.lines)]


@pytest.mark.parametrize(
    ("label", "changes"),
    [
        ("Answers", {"requests_per_second": {"application-crash": 0.2}}),
        ("Answers", {"requests_per_second": {"mandrill-email-failed": 0.2}}),
        ("Database pool", {"pool_waiting": 1}),
        ("Workers", {"workers": 0}),
        ("E-mails given up", {"emails": {"pending": 0, "sent": 0, "dead": 1}}),
    ],
)
def test_what_needs_a_look_stands_out(label: str, changes: dict[str, Any]) -> None:
    """A figure that is not as it should be is marked, and no other."""
    assert [tile.label for tile in tiles(point(**changes)) if tile.alarm] == [label]
    assert not [tile for tile in tiles(QUIET) if tile.alarm]


def test_the_most_frequent_statuses_are_drawn() -> None:
    """Five lines are readable: the most frequent statuses get them, the success first."""
    rates = {f"status-{number}": float(number) for number in range(9)} | {"action-successful": 5.5}
    (answers, *_) = charts([point(requests_per_second=rates)])
    labels = [line.label for line in answers.lines]
    assert labels == ["action-successful", "status-5", "status-6", "status-7", "status-8"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, UNKNOWN), (0, "0"), (0.123, "0.12"), (7, "7"), (12.5, "12"), (1234567, "1,234,567")],
)
def test_numbers(value: float | None, text: str) -> None:
    """A number has as many digits as tell something."""
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
    """A time span is told in the unit that fits it."""
    assert duration(seconds) == text


def test_moments_are_in_utc() -> None:
    """A time is told in UTC whatever zone it comes in."""
    there = datetime(2026, 11, 23, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    assert moment(there) == '<time datetime="2026-11-23T10:00:00+00:00">2026-11-23 10:00:00 UTC</time>'
    assert moment(None) == UNKNOWN
