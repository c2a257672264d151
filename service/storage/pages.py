"""Pages of rows for lists that are read page by page."""

from dataclasses import dataclass

from service.storage.statements import Rows

PAGE_SIZE = 50
# The start of a list whose newest rows come first: greater than the id of any row.
LAST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in their order. `next` is the last row's key if more rows follow, else None."""

    rows: Rows
    next: int | str | None


def page_of(rows: Rows, key: str, size: int | None = PAGE_SIZE) -> Page:
    """Make a page of `size` rows from a query that asked for `size + 1`; `size` None is one page of all rows.

    `key` is the column that the next page starts after.
    """
    if size is None or len(rows) <= size:
        return Page(rows, None)
    return Page(rows[:size], rows[size - 1][key])
