"""Random hexadecimal digits: their number and uniqueness."""

from itertools import islice

import pytest

from service.domain.random_ids import random_digits


@pytest.mark.parametrize("size", [1, 10, 16])
def test_number_of_digits(size: int) -> None:
    """Each id has two hexadecimal digits per byte, also after the buffered bytes are used up."""
    ids = list(islice(random_digits(size), 1000))
    assert {len(bytes.fromhex(digits)) for digits in ids} == {size}


def test_ids_are_unique() -> None:
    """No id is repeated, neither by the same generator nor by another one."""
    ids = [digits for _ in range(2) for digits in islice(random_digits(16), 5000)]
    assert len(set(ids)) == len(ids)
