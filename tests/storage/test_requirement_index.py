"""Lists of requirements: with any filters and in any order, a page reads few rows, however large the table is."""

import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from service.database.queries import quote_literal
from service.database.session import INDEX_SCANS
from service.domain.callers import Viewer
from service.domain.lists import ROWS_READ_PER_ROW, Filters, RequirementList, Sort, Start
from service.storage.requirement_index import read_index_page
from service.storage.statements import Executor, Rows

ROWS = 60_000
CLAIMED_ROWS = 5_000_000
SIZE = 10
ROWS_READ_BY_COUNT = 20_000

# Each filter has frequent, rare and absent values, and nothing is in the order of the ids.
FILL = f"""
SELECT setseed(0.5);
INSERT INTO requirements (
    required_type, required_id, requireable_type, requireable_id, key, value, application_id, user_id, created_at,
    updated_at
)
SELECT
    CASE WHEN a < 0.9 THEN 'Service' ELSE 'User' END, CASE WHEN b < 0.5 THEN 1 ELSE ceil(b * 10000) END,
    CASE WHEN c < 0.999 THEN 'User' ELSE 'Application' END, ceil(c * c * 1000),
    CASE WHEN b < 0.4 THEN 'frequent' WHEN b < 0.7 THEN 'k' || ceil(a * 20000) END, 'Value ' || n % 10,
    CASE WHEN a < 0.95 THEN 1 ELSE ceil(c * 1000) END, CASE WHEN c < 0.3 THEN 1 WHEN c < 0.6 THEN ceil(a * 20000) END,
    '2026-01-01Z'::timestamptz + a * interval '100 days', '2026-01-01Z'::timestamptz + c * interval '100 days'
FROM (SELECT n, random() AS a, random() AS b, random() AS c FROM generate_series(1, {ROWS}) AS n) AS drawn;
ANALYZE requirements;
UPDATE pg_class SET reltuples = {CLAIMED_ROWS}
WHERE oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'requirements'::regclass UNION SELECT 'requirements'::regclass);
"""  # noqa: S608, E501 - constants

# For each filter, its values: frequent and rare ones, and one without rows.
CHOICES: tuple[tuple[dict[str, Any], ...], ...] = (
    (
        {"required_type": "Service", "required_id": 1},
        {"required_type": "Service", "required_id": 7000},
        {"required_type": "Service", "required_id": 2},
        {"required_type": "User"},
        {"required_type": "Application"},
    ),
    (
        {"requireable_type": "User", "requireable_id": 1},
        {"requireable_type": "User", "requireable_id": 900},
        {"requireable_type": "User"},
        {"requireable_type": "Application"},
    ),
    ({"key": "frequent"}, {"key": "k77"}, {"key": "none"}, {"without_key": True}),
    ({"application_id": 1}, {"application_id": 999}, {"user_id": 1}, {"user_id": 77}, {"user_id": 30_000}),
    (
        {"created_from": "2026-01-15T00:00:00+00:00", "created_until": "2026-03-20T00:00:00+00:00"},
        {"created_from": "2026-03-01T00:00:00+00:00", "created_until": "2026-03-01T00:09:00+00:00"},
        {"created_until": "2026-01-01T00:01:00+00:00"},
        {"created_from": "2026-04-11T00:00:00+00:00"},
    ),
    ({"term": "VALUE 3", "in_key": True, "in_value": True}, {"term": "k7", "in_key": True}),
)
VIEWERS = (Viewer(sees_all=True, user_id=None), *(Viewer(sees_all=False, user_id=number) for number in (1, 77)))
SORTS = tuple(Sort(by, descending) for by in ("id", "created_at", "updated_at") for descending in (False, True))


def lists() -> Iterator[RequirementList]:
    """Every combination of filters with every order and viewer, each with values drawn at random."""
    drawn = random.Random(5)  # noqa: S311 - not for secrets
    for used in itertools.product((False, True), repeat=len(CHOICES)):
        for sort, viewer in itertools.product(SORTS, VIEWERS):
            values: dict[str, Any] = {}
            for choices, chosen in zip(CHOICES, used, strict=True):
                values |= drawn.choice(choices) if chosen else {}
            yield RequirementList(Filters(**values), sort, viewer)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All nodes of a plan."""
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


class Explaining:
    """Runs statements, and adds up what their plans read of the table."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._names: dict[str, str] = {}
        self.rows = self.blocks = 0

    def check(self, limit: int, listed: RequirementList) -> None:
        """Check what was read since the last check, and start again from zero."""
        assert self.rows <= limit, listed
        assert self.blocks <= 1.5 * limit, listed
        self.rows = self.blocks = 0

    async def fetch(self, query: str, *args: object) -> Rows:
        """Run a statement as a prepared one."""
        if query not in self._names:
            self._names[query] = f"list_{len(self._names)}"
            await self._connection.execute(f"PREPARE {self._names[query]} AS {query}")
        execute = f"EXECUTE {self._names[query]} ({', '.join(map(literal, args))})"
        explained = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {execute}"
        plan = json.loads(await self._connection.fetchval(explained))[0]["Plan"]
        for node in nodes(plan):
            if node.get("Relation Name") == "requirements":
                assert node["Node Type"] in ("Index Scan", "Index Only Scan"), (query, args)
                read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                self.rows += read * node["Actual Loops"]
        self.blocks += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        return await self._connection.fetch(query, *args)


def literal(value: object) -> str:
    """A constant as an SQL literal."""
    return "NULL" if value is None else quote_literal(value) if isinstance(value, str) else str(value)


async def read(executor: Any, listed: RequirementList, start: Start, *, counted: bool = False) -> Any:
    """A page of the list."""
    page: Executor = executor
    return await read_index_page(page, listed, start, SIZE, counted=counted)


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_a_page_reads_few_rows(connection: asyncpg.Connection, mode: str) -> None:
    """No page and no count reads more rows than it may, nor many more blocks, nor does a page far down in a list.

    Generic plans are made while the table is empty. The statistics are those of five million rows.
    """
    for name, value in {**INDEX_SCANS, "plan_cache_mode": mode, "jit": "off"}.items():
        await connection.execute(f"SET {name} = '{value}'")
    executor = Explaining(connection)
    await connection.execute("ANALYZE requirements")
    walked = list(lists())
    if mode == "force_generic_plan":
        for listed in walked[:: len(VIEWERS)]:
            await read(executor, listed, Start())
    executor.rows = executor.blocks = 0
    await connection.execute(FILL)
    limit = ROWS_READ_PER_ROW * SIZE
    for number, listed in enumerate(walked if mode == "force_custom_plan" else walked[::5]):
        page = await read(executor, listed, Start())
        executor.check(limit, listed)
        if page.next is not None and number % 3 == 0:
            await read(executor, listed, Start(page.next.time and "2026-02-01Z", ROWS // 2))
            executor.check(limit, listed)
        if number % 7 == 0:
            await read(executor, listed, Start(), counted=True)
            executor.check(limit + ROWS_READ_BY_COUNT, listed)
