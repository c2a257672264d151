"""Times in params: RFC 3339 with a zone."""

import re
from datetime import UTC, datetime, timedelta

_RFC_3339 = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})[Tt ](?P<minute>[01]\d:[0-5]\d|2[0-3]:[0-5]\d):(?P<second>[0-5]\d|60)"
    r"(?:\.(?P<fraction>\d+))?(?P<zone>[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_MICROSECOND_DIGITS = 6


def parse_time(text: str) -> datetime | None:
    """The time in UTC, or None if `text` is not RFC 3339 with a zone, or is outside the years 1 to 9999 in UTC.

    A fraction of a microsecond counts as a whole one: PostgreSQL stores whole ones, so that this changes no comparison
    with a stored time.
    """
    match = _RFC_3339.fullmatch(text)
    if match is None:
        return None
    digits = match["fraction"] or ""
    micros = int(digits[:_MICROSECOND_DIGITS].ljust(_MICROSECOND_DIGITS, "0")) + bool(
        digits[_MICROSECOND_DIGITS:].strip("0")
    )
    zone = "+00:00" if match["zone"] in "Zz" else match["zone"]
    try:
        minute = datetime.fromisoformat(f"{match['day']}T{match['minute']}:00{zone}").astimezone(UTC)
        return minute + timedelta(seconds=int(match["second"]), microseconds=micros)
    except (ValueError, OverflowError):
        return None
