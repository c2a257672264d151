"""Cursors: only what was sealed opens, and only with the same key and context."""

from hypothesis import given
from hypothesis import strategies as st

from service.domain.cursors import seal, unseal

keys = st.binary(min_size=32, max_size=32)
texts = st.binary(max_size=80)


@given(keys, texts, texts)
def test_a_sealed_position_opens(key: bytes, context: bytes, position: bytes) -> None:
    """A cursor opens with its key and context, it is the same each time, and it can stand in a URL."""
    cursor = seal(key, context, position)
    assert unseal(key, context, cursor) == position
    assert seal(key, context, position) == cursor
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(keys, keys, texts, texts, texts)
def test_nothing_else_opens(key: bytes, other_key: bytes, context: bytes, other: bytes, position: bytes) -> None:
    """A cursor does not open with another key or context, also if what both contain is the same in one piece."""
    cursor = seal(key, context, position)
    assert key == other_key or unseal(other_key, context, cursor) is None
    assert other == b"" or unseal(key, context + other, cursor) is None
    assert position == b"" or unseal(key, context + position[:1], seal(key, context, position)) is None


@given(keys, texts, st.text(max_size=120))
def test_other_texts_do_not_open(key: bytes, context: bytes, text: str) -> None:
    """Any text that was not sealed does not open, and raises nothing."""
    assert unseal(key, context, text) is None


def test_a_position_is_not_readable() -> None:
    """A position, and the difference of two positions, cannot be read in their cursors."""
    first, second = (seal(b"k" * 32, b"list", position) for position in (b"[null,41,0]", b"[null,42,0]"))
    assert len(first) == len(second)
    assert sum(one == other for one, other in zip(first, second, strict=True)) < len(first) // 3
