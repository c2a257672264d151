"""Random digits of the system's, drawn many at a time: a system call for each few costs more than their use."""

import os
from collections.abc import Iterator

_DRAWN = 128


def random_digits(size: int) -> Iterator[str]:
    """The hexadecimal digits of `size` random bytes, without end. For one process: after a fork both get the same."""
    while True:
        digits = os.urandom(_DRAWN * size).hex()
        for start in range(0, len(digits), 2 * size):
            yield digits[start : start + 2 * size]
