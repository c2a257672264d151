"""Polymorphic references to rows of other tables."""

from typing import NamedTuple

MAX_ID = 2**63 - 1


class Reference(NamedTuple):
    """A reference: an association type, and the id of a row in the table of that type."""

    type: str
    id: int
