"""How far a standby is behind its primary, by positions in the WAL: the clocks of the servers do not matter."""

import math
from collections import deque

# More than a replica that may answer is ever behind. If one is further behind, the oldest are not needed.
MAX_MARKS = 256


class Replay:
    """Tells what the standby certainly has: `as_of` is a time, in seconds of the clock of the marks."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque(maxlen=MAX_MARKS)  # times and positions, both growing
        self.as_of = -math.inf

    def mark(self, at: float, position: int) -> None:
        """Note that what was committed on the primary at the time `at` is before `position` in its WAL."""
        # Marks at or after it are of no more use: their content was sent again, at a later time.
        while self._marks and self._marks[-1][1] >= position:
            self._marks.pop()
        self._marks.append((at, position))

    def replayed(self, position: int) -> None:
        """Note that the standby has replayed the WAL up to `position`: `as_of` is the time that it has all of."""
        while self._marks and self._marks[0][1] <= position:
            self.as_of = self._marks.popleft()[0]
