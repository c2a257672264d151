"""How far a standby is behind, by positions in the WAL."""

import math

from service.database.replay import MAX_MARKS, Replay


def test_a_standby_has_what_was_before_its_position() -> None:
    """The time is that of the last mark which the standby has passed, and not of a later one."""
    replay = Replay()
    assert replay.as_of == -math.inf
    replay.mark(1.0, 100)
    replay.mark(2.0, 200)
    for position, as_of in ((99, -math.inf), (100, 1.0), (199, 1.0), (200, 2.0), (300, 2.0)):
        replay.replayed(position)
        assert replay.as_of == as_of


def test_an_idle_primary() -> None:
    """While nothing is written, a standby that has everything is not behind, and one that lacks something is."""
    replay = Replay()
    for second in range(10):
        replay.mark(float(second), 100)
        replay.replayed(99)
    assert replay.as_of == -math.inf
    replay.replayed(100)
    assert replay.as_of == 9.0


def test_a_primary_that_took_over() -> None:
    """A new primary may be behind the old one: its positions count from then on."""
    replay = Replay()
    replay.mark(1.0, 100)
    replay.mark(2.0, 90)
    replay.replayed(90)
    assert replay.as_of == 2.0


def test_a_standby_that_is_far_behind() -> None:
    """However long a standby is behind, few marks are kept, and none of the last ones is lost."""
    replay = Replay()
    for number in range(10 * MAX_MARKS):
        replay.mark(float(number), number)
    last = 10 * MAX_MARKS - 1
    replay.replayed(last - MAX_MARKS)
    assert replay.as_of == -math.inf
    replay.replayed(last - 10)
    assert replay.as_of == last - 10.0
