"""One call of an action."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A call of one action. `parse` makes the result from the data of the response.

    `waits_seconds` is how long the service may hold the call on purpose.
    """

    action: str
    params: Mapping[str, Any]
    parse: Callable[[Any], T]
    writes: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    waits_seconds: float = 0.0
    request_id: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def lost_outcome(self) -> str:
        """The outcome of an attempt whose response is lost."""
        return "unknown" if self.writes else "none"
