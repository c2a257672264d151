"""Template filters that format values."""

from collections.abc import Callable
from datetime import UTC, datetime

from markupsafe import Markup

from service.database.timestamps import EARLIEST, LATEST

UNKNOWN = "\N{EN DASH}"

# The units of a distance in time, as in console.js.
_DAY = 86_400
_UNITS = (
    (365 * _DAY, "year", "years"),
    (30 * _DAY, "month", "months"),
    (_DAY, "day", "days"),
    (3600, "h", "h"),
    (60, "min", "min"),
    (1, "s", "s"),
)
_NOW_SECONDS = 2

# What the database layer gives for the times beyond those that a datetime can hold.
_BEYOND = {EARLIEST: "before the year 1", LATEST: "after the year 9999"}


def moment(at: datetime | str | None) -> Markup | str:
    """A time as a `<time>` element that shows the distance from now; its title is the time in UTC.

    The page keeps the distance up to date. A text, for a time that no datetime can hold, is shown as it is.
    """
    if not isinstance(at, datetime) or at in _BEYOND:
        return _without_distance(at)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(_iso(at), utc(at), distance(at, datetime.now(UTC)))


def exact_moment(at: datetime | str | None) -> Markup | str:
    """A time in UTC, followed by the distance from now. Otherwise as `moment`."""
    if not isinstance(at, datetime) or at in _BEYOND:
        return _without_distance(at)
    return Markup("{} ({})").format(utc(at), moment(at))


def _without_distance(at: datetime | str | None) -> str:
    if at is None:
        return UNKNOWN
    return _BEYOND[at] if isinstance(at, datetime) else at


def utc(at: datetime) -> str:
    """A time in UTC, to the second."""
    return f"{_iso(at)[:19].replace('T', ' ')} UTC"


def distance(at: datetime, now: datetime) -> str:
    """How long ago a time was, or how far ahead it is, in its largest unit: "5 min ago", "in 3 h"."""
    seconds = (at - now).total_seconds()
    if abs(seconds) < _NOW_SECONDS:
        return "just now"
    size, one, many = next(unit for unit in _UNITS if abs(seconds) >= unit[0])
    count = int(abs(seconds) // size)
    text = f"{count} {one if count == 1 else many}"
    return f"in {text}" if seconds > 0 else f"{text} ago"


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def number(value: float | None) -> str:
    """A number: two significant digits below 100 unless it is whole, thousands separators above."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2g}"  # noqa: PLR2004 - three digits


def duration(seconds: float | None) -> str:
    """A duration in hours, minutes, seconds, milliseconds or microseconds."""
    if seconds is None:
        return UNKNOWN
    if seconds == 0:
        return "0"
    for unit, size in (("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 0.001)):
        if seconds >= size:
            return f"{number(round(seconds / size, 1))} {unit}"
    return f"{seconds * 1e6:.0f} µs"


FILTERS: dict[str, Callable[..., str]] = {
    "moment": moment,
    "exact_moment": exact_moment,
    "number": number,
    "duration": duration,
}
