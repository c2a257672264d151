"""x."""

from typing import Any

FRAMING = 1


async def run_framing(*a: Any) -> None:
    """X."""
