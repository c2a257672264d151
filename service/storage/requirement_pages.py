"""Requirements as operators see them, in the console and by commands: lists, neighbours and changes.

Operators see all requirements. Lists are read by the queries of the action `index`.
"""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

import asyncpg

from service.database.arrays import array_literal
from service.database.queries import QUERIES
from service.domain.callers import Viewer
from service.domain.lists import Filters, RequirementList, Sort, Start
from service.storage.pages import PAGE_SIZE
from service.storage.requirement_index import read_index_page
from service.storage.statements import Executor, Rows, fetch

OPERATOR = Viewer(sees_all=True, user_id=None)
LATEST = Sort()
BEGINNING = Start()
NEIGHBOURS = 10
CHANGES = 20
VALUES = ("key", "value")


class RequirementPage(NamedTuple):
    """Rows of requirements in the order of the list. `next` is where the next page starts; None if there is none.

    A page may have fewer rows than it was asked for, even none, although there is a next one.
    """

    rows: Sequence[asyncpg.Record]
    next: Start | None


class Neighbours(NamedTuple):
    """Other requirements that have an end in common with one: the `rows` with `filters`; `more` if there are others."""

    filters: Filters
    rows: Sequence[asyncpg.Record]
    more: bool


class Change(NamedTuple):
    """A row of the changes of a requirement, with its key and value before.

    `before` is None if the change is the creation, or if the change before it is not kept.
    """

    row: asyncpg.Record
    before: Mapping[str, str | None] | None


async def list_requirements(
    executor: Executor, filters: Filters, sort: Sort = LATEST, start: Start = BEGINNING, size: int = PAGE_SIZE
) -> RequirementPage:
    """A page of at most `size` of the requirements that pass the filters. Raises a `DatabaseError`."""
    page = await read_index_page(executor, RequirementList(filters, sort, OPERATOR), start, size)
    ids = [requirement.id for requirement in page.requirements]
    # The index returns what callers see. The other columns are read by the ids; a row may have been deleted meanwhile.
    found = (
        {row["id"]: row for row in await fetch(executor, QUERIES["find_requirements"], array_literal(ids))}
        if ids
        else {}
    )
    return RequirementPage([found[number] for number in ids if number in found], page.next)


async def find_requirement(executor: Executor, requirement_id: int) -> asyncpg.Record | None:
    """One requirement with all of its columns, or None if it does not exist. Raises a `DatabaseError`."""
    rows = await fetch(executor, QUERIES["find_requirements"], array_literal([requirement_id]))
    return rows[0] if rows else None


async def find_neighbours(executor: Executor, row: asyncpg.Record) -> Mapping[str, Neighbours]:
    """What both ends of a requirement also require, and what requires them, each without the requirement itself.

    The keys are "requireable requires", "requireable is required by", "required requires" and "required is required
    by". Raises a `DatabaseError`.
    """
    found = {}
    for end in ("requireable", "required"):
        kind, number = row[f"{end}_type"], row[f"{end}_id"]
        for relation, filters in (
            ("requires", Filters(requireable_type=kind, requireable_id=number)),
            ("is required by", Filters(required_type=kind, required_id=number)),
        ):
            page = await list_requirements(executor, filters, size=NEIGHBOURS + 1)
            others = [other for other in page.rows if other["id"] != row["id"]]
            more = len(others) > NEIGHBOURS or page.next is not None
            found[f"{end} {relation}"] = Neighbours(filters, others[:NEIGHBOURS], more)
    return found


async def list_changes(executor: Executor, requirement_id: int) -> list[Change]:
    """The latest changes of a requirement, the latest first. Raises a `DatabaseError`."""
    rows: Rows = await fetch(executor, QUERIES["list_changes_of_requirement"], requirement_id, CHANGES + 1)
    return [
        Change(row, None if before is None or row["change"] == "created" else {name: before[name] for name in VALUES})
        for row, before in zip_longest(rows, rows[1:])
    ][:CHANGES]
