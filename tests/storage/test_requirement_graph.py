"""Closures and paths in PostgreSQL: as networkx finds them, in one snapshot, and within the bound on rows."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import asyncpg
import orjson
import pytest

from service.config import Config
from service.database.arrays import array_literal
from service.database.errors import LockTimeout, StatementTimeout
from service.database.pool import Database, open_database
from service.database.queries import QUERIES
from service.database.session import INDEX_SCANS
from service.domain.callers import Viewer
from service.domain.closures import ClosurePage, Position
from service.domain.graph import MORE_ROWS_READ, ROWS_READ_PER_RESULT, Direction, Scope
from service.domain.references import Reference
from service.storage import requirement_graph
from service.storage.requirement_graph import (
    Reading,
    TooLongError,
    TooManyRowsError,
    read_closure,
    read_path,
)
from tests.graphs import (
    EVERYTHING,
    Edge,
    expected_cycles,
    expected_path,
    expected_things,
    graph_of,
    insert_edges,
    random_edges,
)

ALL = Viewer(sees_all=True, user_id=None)
ORIGIN = Reference("Service", 1)
ANY_KEY = EVERYTHING[:2]
DIRECTIONS: tuple[Direction, ...] = ("requires", "required_by")
SCOPES = (EVERYTHING, Scope(any_key=False, key="a", max_depth=3), Scope(any_key=False, key=None, max_depth=64))


@pytest.fixture
async def database(config: Config, database_url: str) -> AsyncIterator[Database]:
    """A pool for reads, with one connection."""
    async with open_database(replace(config.database, pool_size=1), database_url, planning=INDEX_SCANS) as database:
        yield database


class Counted:
    """Counts the rows that statements on requirements return, and runs something before the second one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, before_second: Any = None) -> None:
        self.rows = 0
        self._statements = 0
        self._before_second = before_second
        self._fetch = requirement_graph._fetch  # noqa: SLF001 - every statement of a walk runs here
        monkeypatch.setattr(requirement_graph, "_fetch", self)

    async def __call__(self, connection: asyncpg.Connection, timeout: float, query: str, *args: object) -> Any:
        """Run a statement."""
        links = "FROM requirements" in query
        self._statements += links
        if links and self._statements == 2 and self._before_second:
            await self._before_second()
        rows = await self._fetch(connection, timeout, query, *args)
        self.rows += len(rows) * links
        return rows


async def closure(
    database: Database, direction: Direction = "requires", scope: Scope = EVERYTHING, viewer: Viewer = ALL
) -> ClosurePage:
    """The closure of the origin on one page."""
    return await read_closure(ORIGIN, direction, scope, (Position(), 10_000), Reading(database, viewer, 10.0))


def star(count: int, *, first_id: int = 1, user_id: int | None = None) -> list[Edge]:
    """Requirements from the origin to different things."""
    return [
        Edge(number, ORIGIN, Reference("User", number), user_id=user_id) for number in range(first_id, first_id + count)
    ]


def parallel(count: int, user_id: int | None = None) -> list[Edge]:
    """Requirements from the origin to one thing."""
    return [Edge(number, ORIGIN, Reference("User", 1), user_id=user_id) for number in range(1, count + 1)]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("statement_rows", [2, 4_000])
async def test_answers_are_those_of_networkx(
    database: Database, connection: asyncpg.Connection, seed: int, statement_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closures and paths in both directions, with and without a key, for everyone and for one user, are exact."""
    monkeypatch.setattr(requirement_graph, "ROWS_PER_STATEMENT", statement_rows)
    monkeypatch.setattr(requirement_graph, "THINGS_PER_STATEMENT", statement_rows)
    edges = random_edges(seed)
    await insert_edges(connection, edges)
    for viewer in (ALL, Viewer(sees_all=False, user_id=1)):
        monkeypatch.setattr(requirement_graph, "OWN_ROWS_READ", (seed % 2) * 5_000)
        for scope in SCOPES:
            for direction in DIRECTIONS:
                graph = graph_of(edges, direction, scope, viewer.user_id)
                page = await closure(database, direction, scope, viewer)
                assert page.things == expected_things(graph, ORIGIN, scope.max_depth)
                assert page.cycles == expected_cycles(graph, ORIGIN, scope.max_depth)
            for goal in (ORIGIN, Reference("User", 1), Reference("Service", 2)):
                path = await read_path(ORIGIN, goal, scope, Reading(database, viewer, 10.0))
                graph = graph_of(edges, "requires", scope, viewer.user_id)
                expected = expected_path(graph, ORIGIN, goal, scope.max_depth)
                assert (None if path is None else [requirement.id for requirement in path]) == expected


async def test_a_write_in_the_middle_of_a_walk_shifts_nothing(
    database: Database, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk sees the rows of one moment, whatever is committed while it runs."""
    second, third = Reference("User", 1), Reference("User", 2)
    await insert_edges(connection, [Edge(1, ORIGIN, second), Edge(2, second, third)])
    before = await closure(database)

    async def write() -> None:
        await connection.execute("DELETE FROM requirements WHERE id = 2")
        await insert_edges(connection, [Edge(3, second, ORIGIN), Edge(4, second, Reference("User", 3))])

    Counted(monkeypatch, before_second=write)
    assert await closure(database) == before
    after = await closure(database)
    assert [reached.thing for reached in after.things] == [second, Reference("User", 3)]
    assert [closing.requirement_id for closing in after.cycles] == [3]


@pytest.mark.parametrize("seed", range(20))
async def test_rows_read_are_bounded_by_the_answer(
    database: Database, connection: asyncpg.Connection, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No walk reads more rows than its answer allows; one that would is refused."""
    monkeypatch.setattr(requirement_graph, "ROWS_READ_PER_RESULT", 2)
    monkeypatch.setattr(requirement_graph, "MORE_ROWS_READ", 3)
    edges = random_edges(seed)
    await insert_edges(connection, edges)
    counted = Counted(monkeypatch)
    things = expected_things(graph_of(edges, "requires", EVERYTHING), ORIGIN, 64)
    walked = {ORIGIN, *(reached.thing for reached in things)}
    needed = sum(edge.requireable in walked for edge in edges)
    try:
        page = await closure(database)
    except TooManyRowsError:
        assert counted.rows <= 2 * len(things) + 3
    else:
        assert counted.rows == needed <= 2 * len(page.things) + 3


async def test_many_requirements_between_few_things_are_refused(
    database: Database, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requirements without number to one thing end a closure and a path after the bound of one result."""
    await insert_edges(connection, parallel(3 * MORE_ROWS_READ))
    counted = Counted(monkeypatch)
    with pytest.raises(TooManyRowsError):
        await closure(database)
    assert counted.rows == MORE_ROWS_READ + ROWS_READ_PER_RESULT
    counted.rows = 0
    with pytest.raises(TooManyRowsError):
        await read_path(ORIGIN, Reference("Team", 1), EVERYTHING, Reading(database, ALL, 10.0))
    assert 0 <= counted.rows <= MORE_ROWS_READ + ROWS_READ_PER_RESULT


async def test_a_page_of_a_star_takes_its_first_things(database: Database, connection: asyncpg.Connection) -> None:
    """Of a level that is larger than a page, the page holds the first things by type and id."""
    count = 3 * MORE_ROWS_READ
    edges = [Edge(number, ORIGIN, Reference("User", number * 7919 % count + 1)) for number in range(1, count + 1)]
    await insert_edges(connection, edges)
    page = await read_closure(ORIGIN, "requires", EVERYTHING, (Position(), 250), Reading(database, ALL, 10.0))
    assert [reached.thing.id for reached in page.things] == list(range(1, 251))
    assert page.next is not None
    with pytest.raises(TooManyRowsError):
        await read_closure(ORIGIN, "requires", EVERYTHING, (Position(), 100), Reading(database, ALL, 10.0))


async def test_requirements_of_others_do_not_end_a_walk(database: Database, connection: asyncpg.Connection) -> None:
    """A user who sees only a few own requirements is answered, however many others there are of the same things."""
    others = star(3 * MORE_ROWS_READ)
    own = [Edge(90_001, ORIGIN, Reference("User", 7), user_id=1), Edge(90_002, Reference("User", 7), ORIGIN, user_id=1)]
    await insert_edges(connection, [*others, *own])
    page = await closure(database, viewer=Viewer(sees_all=False, user_id=1))
    assert [reached.requirement_id for reached in page.things] == [90_001]
    assert [closing.requirement_id for closing in page.cycles] == [90_002]


async def test_a_walk_without_time_is_refused(
    database: Database, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk that has used its share of the request's time is refused."""
    await insert_edges(
        connection, [Edge(1, ORIGIN, Reference("User", 1)), Edge(2, Reference("User", 1), Reference("User", 2))]
    )
    monkeypatch.setattr(requirement_graph, "_SHARE_OF_TIME", 0.0)
    with pytest.raises(TooLongError):
        await closure(database)
    with pytest.raises(TooLongError):
        await read_path(ORIGIN, Reference("User", 2), EVERYTHING, Reading(database, ALL, 10.0))


async def test_a_statement_that_takes_too_long(database: Database, connection: asyncpg.Connection) -> None:
    """Once the walk has read rows, a statement that exceeds its time is the walk that takes too long."""
    await insert_edges(connection, parallel(2))

    async def time_out() -> None:
        raise StatementTimeout

    with pytest.MonkeyPatch.context() as patch:
        Counted(patch, before_second=time_out)
        with pytest.raises(TooLongError):
            await closure(database)


async def test_no_walk_leaves_a_transaction_open(
    database: Database, connection: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    """The connection is free after an answer, a refusal, a failed statement and a cancellation."""
    await insert_edges(connection, [*parallel(2), Edge(3, Reference("User", 1), ORIGIN)])
    await closure(database)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requirement_graph, "MORE_ROWS_READ", 0)
        with pytest.raises(TooManyRowsError):
            await closure(database)

    async def fail() -> None:
        raise LockTimeout

    with pytest.MonkeyPatch.context() as patch:
        Counted(patch, before_second=fail)
        with pytest.raises(LockTimeout):
            await closure(database)
    async with other.transaction():
        await other.execute("LOCK TABLE requirements")
        walk = asyncio.create_task(closure(database))
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            pass
        walk.cancel()
        with pytest.raises(asyncio.CancelledError):
            await walk
    while await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()"
    ):
        pass
    assert len((await closure(database)).things) == 1
    assert database.use().in_use == 0


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("links_to_required", "requirements_requireable_idx"),
        ("links_to_requireable", "requirements_required_idx"),
    ],
)
@pytest.mark.parametrize("filled", [False, True])
async def test_links_are_read_by_index(connection: asyncpg.Connection, query: str, index: str, *, filled: bool) -> None:
    """A level is read by the index of its end, from the place where the statement before ended, in any table."""
    things = [Reference("Service", number) for number in range(1, 101)]
    if filled:
        edges = [Edge(number, things[number % 100], things[number * 7 % 100]) for number in range(1, 20_001)]
        await insert_edges(connection, edges)
        await connection.execute("ANALYZE requirements")
    async with connection.transaction():
        for name, value in INDEX_SCANS.items():
            await connection.execute(f"SET LOCAL {name} = {value}")
        types, ids = [kind for kind, _ in things], array_literal(number for _, number in things)
        plan = await explain(
            connection, QUERIES[query], types, ids, 10_000, 150, *ANY_KEY, *Viewer(sees_all=False, user_id=1)
        )
    (scan,) = [node for node in nodes(plan) if "Relation Name" in node]
    assert (scan["Node Type"], scan["Index Name"]) == ("Index Scan", index)
    assert scan["Actual Rows"] * scan["Actual Loops"] == pytest.approx(150 if filled else 0, abs=1)
    assert scan.get("Rows Removed by Filter", 0) == 0
    assert not [node for node in nodes(plan) if node["Node Type"] in ("Sort", "Incremental Sort")]


@pytest.mark.parametrize(
    ("query", "edge"),
    [
        ("links_to_required", lambda number: Edge(number, Reference("User", number), ORIGIN)),
        ("links_to_requireable", lambda number: Edge(number, ORIGIN, Reference("User", number))),
    ],
)
async def test_reading_ends_with_the_last_thing(
    connection: asyncpg.Connection, query: str, edge: Callable[[int], Edge]
) -> None:
    """The index is not read beyond the given things, although fewer rows were found than may be read."""
    await insert_edges(connection, [edge(number) for number in range(1, 20_001)])
    await connection.execute("ANALYZE requirements")
    async with connection.transaction():
        for name, value in INDEX_SCANS.items():
            await connection.execute(f"SET LOCAL {name} = {value}")
        plan = await explain(connection, QUERIES[query], ["User"] * 2, array_literal([5, 9]), 0, 4_000, *ANY_KEY, *ALL)
    (scan,) = [node for node in nodes(plan) if "Relation Name" in node]
    assert scan["Actual Rows"] * scan["Actual Loops"] == 2
    assert scan["Shared Hit Blocks"] + scan["Shared Read Blocks"] <= 10


async def test_own_links_are_read_by_index(connection: asyncpg.Connection) -> None:
    """The requirements of a user are read by the index on users."""
    await insert_edges(connection, [*star(5_000, user_id=2), *star(50, first_id=6_000, user_id=1)])
    await connection.execute("ANALYZE requirements")
    async with connection.transaction():
        for name, value in INDEX_SCANS.items():
            await connection.execute(f"SET LOCAL {name} = {value}")
        plan = await explain(connection, QUERIES["own_links"], 1, 5_000, *ANY_KEY)
    (scan,) = [node for node in nodes(plan) if "Relation Name" in node]
    assert (scan["Index Name"], scan["Actual Rows"]) == ("requirements_user_idx", 50)


async def explain(connection: asyncpg.Connection, query: str, *args: object) -> dict[str, Any]:
    """The plan that PostgreSQL has carried out."""
    text = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", *args)
    plan: dict[str, Any] = orjson.loads(text)[0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """All nodes of a plan."""
    return [plan, *(node for inner in plan.get("Plans", []) for node in nodes(inner))]
