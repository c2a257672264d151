"""Random digits: as many as asked for, and none of them twice."""

from itertools import islice

import pytest

from service.domain.random_ids import random_digits


@pytest.mark.parametrize("size", [1, 10, 16])
def test_digits_are_as_many_as_asked_for(size: int) -> None:
    """Each piece is two hexadecimal digits a byte, also beyond what is drawn at once."""
    pieces = list(islice(random_digits(size), 1000))
    assert {len(bytes.fromhex(piece)) for piece in pieces} == {size}


def test_no_piece_comes_twice() -> None:
    """What was handed out is not handed out again, neither by the same source nor by another one."""
    pieces = [piece for _ in range(2) for piece in islice(random_digits(16), 5000)]
    assert len(set(pieces)) == len(pieces)
