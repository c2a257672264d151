"""Timestamps in responses."""

from datetime import UTC, datetime

import pytest

from service.domain.views import timestamp


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2026, 11, 23, 10, 0, 0, 123456, UTC), "2026-11-23T10:00:00.123456Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 0, UTC), "2026-01-02T03:04:05.000000Z"),
        (datetime(1, 1, 1, 0, 0, 0, 1, UTC), "0001-01-01T00:00:00.000001Z"),
        (datetime(9999, 12, 31, 23, 59, 59, 999999, UTC), "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_timestamps_have_six_digits_and_a_z(moment: datetime, shown: str) -> None:
    """A timestamp is in UTC with microseconds, so that its text sorts like the time."""
    assert timestamp(moment) == shown
