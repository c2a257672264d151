"""Template filters that format values."""

from collections.abc import Callable
from datetime import UTC, datetime

from markupsafe import Markup

UNKNOWN = "\N{EN DASH}"


def moment(at: datetime | None) -> Markup | str:
    """A time in UTC, as a `<time>` element."""
    if at is None:
        return UNKNOWN
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(utc.isoformat(), f"{utc:%Y-%m-%d %H:%M:%S}")


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


FILTERS: dict[str, Callable[..., str]] = {"moment": moment, "number": number, "duration": duration}
