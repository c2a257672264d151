"""Lists of requirements with any filters, in any order, page by page.

A page reads at most `ROWS_READ_PER_ROW` rows for each row that it may return. A filter that has an index gives a set:
the requirements that a scan of this index finds. If a set is small, a page reads all of it and sorts it. Otherwise
a page scans an index in the order of the list, and stops when it is full or may read no more: there the next page goes
on.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from service.database.queries import QUERIES
from service.domain.callers import Viewer
from service.domain.lists import MAX_COUNT, MAX_PAGE_SIZE, ROWS_READ_PER_ROW, Filters, RequirementList, Sort, Start
from service.domain.references import MAX_ID
from service.domain.requirements import Requirement
from service.storage.requirements import requirement_from_columns
from service.storage.statements import Executor, Rows, fetch

MIN_ID = -MAX_ID - 1
# A count reads at most as many rows as the largest page.
_ROWS_READ_BY_COUNT = ROWS_READ_PER_ROW * MAX_PAGE_SIZE
_COLUMNS = slice(10)  # those of a requirement, in a row of a page
_UP: Mapping[str, str] = {"direction": "ASC", "within": "<=", "first": "'-infinity'"}
_DOWN: Mapping[str, str] = {"direction": "DESC", "within": ">=", "first": "'infinity'"}


class Count(NamedTuple):
    """The number of requirements in a list. If it is not `exact`, there are at least as many."""

    number: int
    exact: bool


class IndexPage(NamedTuple):
    """One page of a list. `next` is where the next page starts; None if there is nothing more."""

    requirements: Sequence[Requirement]
    next: Start | None
    total: Count | None = None


class _Set(NamedTuple):
    """The requirements that pass one filter: the scan block of its index. `order` is what the scan is sorted by."""

    scan: str
    order: str


class _Probe(NamedTuple):
    """The first rows of a set: how many were read, and how many of them are in the list."""

    scanned: int
    matched: int


async def read_index_page(
    executor: Executor, listed: RequirementList, start: Start, size: int, *, counted: bool = False
) -> IndexPage:
    """A page of at most `size` requirements of a list.

    The page may have fewer requirements, even none, although `next` says that more may follow. `counted` asks for the
    count. Raises a `DatabaseError`.
    """
    return await _Reader(executor, listed, start, size).read(counted=counted)


class _Reader:
    """Reads one page."""

    def __init__(self, executor: Executor, listed: RequirementList, start: Start, size: int) -> None:
        filters, sort, viewer = listed
        self._executor = executor
        self._sort = sort
        self._start = start
        self._size = size
        self._conditions = (*filters, *viewer)
        self._sets = _sets(filters, viewer)
        self._in_order = [place for place, found in enumerate(self._sets) if found.order == sort.by]
        # A set that is in the order of the list needs no other plan, unless another set may be smaller.
        self._probing = len(self._sets) > 1 or (len(self._sets) == 1 and not self._in_order)
        budget = ROWS_READ_PER_ROW * size
        self._set_limit = budget // (2 * (len(self._sets) + 1))
        self._scan_limit = budget - self._set_limit * (len(self._sets) + 1) if self._probing else budget

    async def read(self, *, counted: bool) -> IndexPage:
        probes = await self._probe() if self._probing else []
        small = [place for place, probe in enumerate(probes) if probe.scanned < self._set_limit]
        smallest = min(small, key=lambda place: probes[place].scanned, default=None)
        scan = self._scan_in_order(probes, smallest)
        page = None
        if smallest is not None and smallest not in self._in_order:
            page = await self._page_of_set(self._sets[smallest].scan)
        if page is None:
            page = await self._page_in_order(scan)
        if not counted:
            return page
        if self._start == Start() and page.next is None:
            return page._replace(total=Count(len(page.requirements), exact=True))
        if smallest is not None:
            return page._replace(total=Count(probes[smallest].matched, exact=True))
        return page._replace(total=await self._count(scan))

    async def _probe(self) -> list[_Probe]:
        """What the first rows of each set are like."""
        probes = [
            QUERIES["probe_scan"].replace("{scan}", _whole(found.scan)).replace("{number}", str(number))
            for number, found in enumerate(self._sets)
        ]
        rows = await fetch(self._executor, "\nUNION ALL\n".join(probes), *self._conditions, self._set_limit)
        by_number = {row["number"]: _Probe(row["scanned"], row["matched"]) for row in rows}
        return [by_number[number] for number in range(len(self._sets))]

    def _scan_in_order(self, probes: Sequence[_Probe], smallest: int | None) -> str:
        """The scan block in the order of the list that is expected to find the most requirements."""
        if smallest is not None and smallest in self._in_order:
            return self._sets[smallest].scan
        if self._in_order:
            return self._sets[max(self._in_order, key=lambda place: probes[place].matched if probes else 0)].scan
        return _order_scan(self._sort.by)

    async def _page_in_order(self, scan: str) -> IndexPage:
        """A page from a scan block in the order of the list."""
        query = _fill(
            QUERIES["list_index_page"],
            scan=_directed(_by_direction(scan, descending=self._sort.descending), self._sort, self._start),
            position=self._sort.by,
        )
        rows = await self._fetch_page(query, self._scan_limit)
        matching = [row for row in rows if row["matches"] and row["matched"] > self._start.skip]
        if len(matching) <= self._size and rows and rows[-1]["place"] == self._scan_limit:
            skip = max(self._start.skip - rows[-1]["matched"], 0)
            return IndexPage(_requirements(matching), self._after(rows[-1], skip))
        return self._page(matching)

    async def _page_of_set(self, scan: str) -> IndexPage | None:
        """A page from a scan block that reads a whole set. None if the set is not small any more."""
        start = QUERIES["start_by_id"] if self._sort.by == "id" else QUERIES["start_by_time"]
        query = _fill(
            QUERIES["list_set_page"],
            scan=_whole(scan),
            start=_directed(start, self._sort, self._start),
            position=self._sort.by,
            **(_DOWN if self._sort.descending else _UP),
        )
        rows = await self._fetch_page(query, self._set_limit)
        if rows[0]["scanned"] >= self._set_limit:
            return None
        return self._page([row for row in rows if row["id"] is not None])

    async def _fetch_page(self, query: str, limit: int) -> Rows:
        start_id = self._start.id
        if start_id is None:
            start_id = MAX_ID if self._sort.descending else MIN_ID
        times = () if self._sort.by == "id" else (self._start.time,)
        return await fetch(
            self._executor, query, *self._conditions, limit, start_id, self._start.skip, self._size + 1, *times
        )

    def _page(self, rows: Rows) -> IndexPage:
        """The page of rows of which one more than its size was asked for."""
        more = len(rows) > self._size
        following = self._after(rows[self._size - 1], 0) if more else None
        return IndexPage(_requirements(rows[: self._size]), following)

    def _after(self, row: Any, skip: int) -> Start:
        return Start(None if self._sort.by == "id" else row["position"], row["id"], skip)

    async def _count(self, scan: str) -> Count:
        query = QUERIES["count_index"].replace("{scan}", _whole(scan))
        (row,) = await fetch(self._executor, query, *self._conditions, _ROWS_READ_BY_COUNT, MAX_COUNT + 1)
        return Count(min(row["matched"], MAX_COUNT), exact=not row["cut"] and row["matched"] <= MAX_COUNT)


def _requirements(rows: Sequence[Any]) -> list[Requirement]:
    return [requirement_from_columns(row[_COLUMNS]) for row in rows]


def _sets(filters: Filters, viewer: Viewer) -> list[_Set]:
    """The sets that a list is part of. Those that are expected to be small come first."""
    found = []
    for end, kind, number, type_parameter, id_parameter in (
        ("required", filters.required_type, filters.required_id, "$1", "$2"),
        ("requireable", filters.requireable_type, filters.requireable_id, "$3", "$4"),
    ):
        names = {"end": end, "type": type_parameter, "value": id_parameter}
        if number is not None:
            found.append(_Set(_fill(QUERIES["scan_end"], **names), "id"))
        elif kind is not None:
            found.append(_Set(_fill(QUERIES["scan_end_type"], **names), "type"))
    if filters.key is not None:
        found.append(_Set(QUERIES["scan_key"], "id"))
    for column, value, parameter in (
        ("user_id", filters.user_id, "$8"),
        ("user_id", None if viewer.sees_all else viewer.user_id, "$15"),
        ("application_id", filters.application_id, "$7"),
    ):
        if value is not None:
            found.append(_Set(_fill(QUERIES["scan_caller"], column=column, value=parameter), "id"))
    if filters.without_key:
        found.append(_Set(QUERIES["scan_without_key"], "id"))
    if filters.created_from is not None or filters.created_until is not None:
        found.append(_Set(QUERIES["scan_created_up"], "created_at"))
    return found


def _order_scan(by: str) -> str:
    """The scan block of all requirements in an order."""
    if by == "id":
        return QUERIES["scan_all"]
    return QUERIES["scan_created_up"] if by == "created_at" else QUERIES["scan_updated"]


def _by_direction(scan: str, *, descending: bool) -> str:
    """The scan block, or its counterpart for the other direction."""
    return QUERIES["scan_created_down"] if descending and scan == QUERIES["scan_created_up"] else scan


def _directed(block: str, sort: Sort, start: Start) -> str:
    """The block in the direction of the list, from the start of the page on."""
    beyond = ("<" if sort.descending else ">") + ("=" if start.id is None else "")
    values = {"beyond": beyond, "id": "$17::bigint", "time": "$20::text::timestamptz", "position": sort.by}
    return _fill(block, matches=QUERIES["index_matches"], **values, **(_DOWN if sort.descending else _UP))


def _whole(scan: str) -> str:
    """The scan block, from the first row of its set on."""
    values = {"beyond": ">=", "id": f"'{MIN_ID}'::bigint", "time": "NULL::timestamptz"}
    return _fill(scan, matches=QUERIES["index_matches"], **values, **_UP)


def _fill(block: str, **values: str) -> str:
    for name, value in values.items():
        block = block.replace(f"{{{name}}}", value)
    return block
