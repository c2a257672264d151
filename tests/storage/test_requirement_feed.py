"""The change feed: gap-free and in order, whatever transactions do meanwhile, and with few rows read."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import asyncpg
import pytest

from service.database.queries import quote_literal
from service.database.session import INDEX_SCANS
from service.domain.callers import Viewer
from service.domain.feed import Event, FeedFilters, FeedPage, Position
from service.domain.lists import ROWS_READ_PER_ROW
from service.storage.requirement_feed import Feed, read_feed, read_feed_page, read_newest_position
from tests.api.waiting import wait_for_other_transactions
from tests.databases import connected

EVERYONE = Viewer(sees_all=True, user_id=None)
INSERT = """
INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, key, value)
VALUES ('User', 1, 'User', 2, $1, $2) RETURNING id
"""


class Reader:
    """Follows the feed from its beginning, and replays the events into `rows`, by the requirement's id."""

    def __init__(self, connection: asyncpg.Connection, size: int = 3) -> None:
        self._connection = connection
        self._size = size
        self._after: Position | None = None
        self.events: list[Event] = []
        self.rows: dict[int, str | None] = {}

    async def read(self) -> list[tuple[str, str | None]]:
        """Read what can be read now; the change and the value of each new event."""
        feed = await read_feed(self._connection)
        new: list[Event] = []
        while True:
            after = feed.kept_after if self._after is None else self._after
            page = await read_feed_page(self._connection, feed, after, self._size, FeedFilters(), EVERYONE)
            assert page is not None
            new += page.events
            self._after = page.next
            if page.complete:
                break
        for event in new:
            self._replay(event)
        self.events += new
        return [(event.change, event.requirement.value) for event in new]

    def _replay(self, event: Event) -> None:
        requirement = event.requirement
        assert (requirement.id in self.rows) == (event.change != "created"), event
        if event.change == "destroyed":
            assert self.rows.pop(requirement.id) == requirement.value, event
        else:
            self.rows[requirement.id] = requirement.value


async def table(connection: asyncpg.Connection) -> dict[int, str | None]:
    """The value of each requirement, by id."""
    rows = await connection.fetch("SELECT id, value FROM requirements")
    return {row["id"]: row["value"] for row in rows}


@contextlib.asynccontextmanager
async def transaction(connection: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """A transaction that already has an id."""
    async with connection.transaction():
        await connection.execute("SELECT pg_current_xact_id()")
        yield connection


async def until_read(reader: Reader, expected: list[tuple[str, str | None]]) -> None:
    """Read until all expected events have come, and nothing else; transactions of other tests may delay them."""
    found = await reader.read()
    async with asyncio.timeout(10):
        while len(found) < len(expected):
            found += await reader.read()
    assert found == expected


async def test_an_open_transaction_delays_and_never_skips(
    connection: asyncpg.Connection, other: asyncpg.Connection, database_url: str
) -> None:
    """What is committed after the begin of an open transaction is returned when this one has ended, in order."""
    async with connected(database_url) as third:
        reader = Reader(third)
        await connection.execute(INSERT, None, "first")
        await until_read(reader, [("created", "first")])
        async with transaction(other):
            await connection.execute(INSERT, None, "later")
            assert await reader.read() == []
            await other.execute(INSERT, None, "open")
            assert await reader.read() == []
        await until_read(reader, [("created", "open"), ("created", "later")])


async def test_a_transaction_that_is_rolled_back_is_not_told(
    connection: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    """Only committed changes are returned, with or without a gap in the ids."""
    reader = Reader(connection)
    rolled_back = other.transaction()
    await rolled_back.start()
    await other.execute(INSERT, None, "rolled back")
    await connection.execute(INSERT, None, "kept")
    await rolled_back.rollback()
    await until_read(reader, [("created", "kept")])


async def test_ids_in_another_order_than_transactions(
    connection: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    """A later transaction may draw a smaller change id: its event comes after that of the earlier one, and is told."""
    reader = Reader(connection)
    async with transaction(other):
        await connection.execute(INSERT, None, "later transaction, smaller id")
        await other.execute(INSERT, None, "earlier transaction")
    await until_read(reader, [("created", "earlier transaction"), ("created", "later transaction, smaller id")])


@pytest.mark.parametrize(
    "change", ["UPDATE requirements SET value = 'last'", "DELETE FROM requirements", "TRUNCATE requirements CASCADE"]
)
async def test_the_transaction_that_began_first_changes_last(
    connection: asyncpg.Connection, other: asyncpg.Connection, change: str
) -> None:
    """The changes of one requirement are returned as they were made, not in the order of their transactions."""
    reader = Reader(connection)
    await connection.execute(INSERT, None, "new")
    async with transaction(other):
        await connection.execute("UPDATE requirements SET value = 'second'")
        await connection.execute("UPDATE requirements SET value = 'third'")
        await other.execute(change)
    last = ("updated", "last") if change.startswith("UPDATE") else ("destroyed", "third")
    await until_read(reader, [("created", "new"), ("updated", "second"), ("updated", "third"), last])
    assert reader.rows == await table(connection)


async def test_a_reader_follows_writers(database_url: str) -> None:
    """Writers commit in any order, roll back, change and destroy each other's rows: the replay is the table."""
    drawn = random.Random(3)  # noqa: S311 - not for secrets
    ending = asyncio.Event()

    async def write(number: int) -> None:
        async with connected(database_url) as connection:
            for step in range(25):
                work = connection.transaction()
                await work.start()
                if drawn.random() < 0.5:
                    await connection.execute("SELECT pg_current_xact_id()")
                    await asyncio.sleep(drawn.random() / 100)
                for _ in range(drawn.randint(1, 3)):
                    await connection.execute(INSERT, None, f"{number}-{step}")
                changed = "SELECT id FROM requirements ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED"
                if (row := await connection.fetchval(changed)) is not None:
                    await connection.execute("UPDATE requirements SET value = value || '+' WHERE id = $1", row)
                if (row := await connection.fetchval(changed)) is not None and step % 2:
                    await connection.execute("DELETE FROM requirements WHERE id = $1", row)
                await asyncio.sleep(drawn.random() / 100)
                await (work.rollback() if drawn.random() < 0.2 else work.commit())

    async def follow() -> Reader:
        async with connected(database_url) as connection:
            reader = Reader(connection, size=5)
            while not ending.is_set():
                await reader.read()
            expected = await table(connection)
            async with asyncio.timeout(10):
                while reader.rows != expected:
                    await reader.read()
            return reader

    following = asyncio.create_task(follow())
    await asyncio.gather(*map(write, range(6)))
    ending.set()
    reader = await following
    positions = [event.position for event in reader.events]
    assert positions == sorted(set(positions))
    transactions = [position.transaction_id for position in positions]
    in_order_of_ids = [event.position.transaction_id for event in sorted(reader.events, key=lambda e: e.position.id)]
    assert transactions != in_order_of_ids, "the order of ids and of transactions must differ for this test to tell"


async def test_where_an_event_stands(connection: asyncpg.Connection, other: asyncpg.Connection) -> None:
    """A creation keeps its position when the first change moves it to another table: a reader never sees it twice."""
    reader = Reader(connection, size=1)
    for value in ("a", "b"):
        await connection.execute(INSERT, None, value)
    await until_read(reader, [("created", "a"), ("created", "b")])
    await connection.execute("UPDATE requirements SET value = value || '!'")
    await until_read(reader, [("updated", "a!"), ("updated", "b!")])
    from_the_start = Reader(other)
    await until_read(from_the_start, [("created", "a"), ("created", "b"), ("updated", "a!"), ("updated", "b!")])
    assert [event.position for event in from_the_start.events] == [event.position for event in reader.events]


async def adopted(connection: asyncpg.Connection) -> Feed:
    """The feed, after what a restore does: the tables say that they belong to another database."""
    await read_feed(connection)
    await connection.execute("UPDATE feed SET identity = 'another'")
    return await read_feed(connection)


async def test_a_copy_of_a_database_keeps_its_events(connection: asyncpg.Connection) -> None:
    """If the server is past all transactions of a copied database, its events stay readable, under a new identity."""
    await connection.execute(INSERT, None, "a")
    before = await read_feed(connection)
    assert (await adopted(connection))[:3] == before[:3]
    await until_read(Reader(connection), [("created", "a")])


async def test_a_dump_of_a_server_that_was_further_on_without_events(connection: asyncpg.Connection) -> None:
    """If all events of the other server were purged before the dump, the feed begins again with the next change."""
    await read_feed(connection)
    await connection.execute(
        "UPDATE feed SET kept_after_transaction_id = (snapshot.next::text::bigint + 1000000)::text::xid8 "
        "FROM pg_snapshot_xmax(pg_current_snapshot()) AS snapshot (next)"
    )
    await adopted(connection)
    reader = Reader(connection)
    await connection.execute(INSERT, None, "new")
    await until_read(reader, [("created", "new")])


async def test_a_dump_of_a_server_that_was_further_on(connection: asyncpg.Connection) -> None:
    """Events of a dump from later transactions are not kept; all that is written afterwards is returned in order.

    Also the next change of such a requirement is returned at once, and not after the transactions of the other server.
    """
    await read_feed(connection)
    for value in ("a", "b"):
        await connection.execute(INSERT, None, value)
    await connection.execute("UPDATE requirements SET value = 'c' WHERE value = 'b'")
    ahead = "SET transaction_id = (transaction_id::text::bigint + 1000000)::text::xid8"
    await connection.execute("SET requirements.origin = 'service'")
    await connection.execute(f"UPDATE requirements {ahead}")
    await connection.execute(f"UPDATE changes {ahead}")
    await connection.execute("RESET requirements.origin")
    await connection.execute(INSERT, None, "before it is noticed")
    feed = await adopted(connection)
    assert feed.foreign_id > 0
    reader = Reader(connection)
    assert await reader.read() == []
    # A reader begins with what is there when the feed begins.
    reader.rows = await table(connection)
    await connection.execute(INSERT, None, "new")
    await connection.execute("UPDATE requirements SET value = value || '!' WHERE value IN ('a', 'c', 'new')")
    await connection.execute("DELETE FROM requirements WHERE value = 'a!'")
    async with asyncio.timeout(10):
        while reader.rows != await table(connection):
            await reader.read()
    changes = [(event.change, event.requirement.value) for event in reader.events]
    assert sorted(changes) == [
        ("created", "new"),
        ("destroyed", "a!"),
        ("updated", "a!"),
        ("updated", "c!"),
        ("updated", "new!"),
    ]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All nodes of a plan."""
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


class Explaining:
    """Runs statements, and adds up what their plans read of the two tables."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._names: dict[str, str] = {}
        self.rows = 0

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        """Run a statement as a prepared one."""
        if query not in self._names:
            self._names[query] = f"feed_{len(self._names)}"
            await self._connection.execute(f"PREPARE {self._names[query]} AS {query}")
        values = ", ".join("NULL" if a is None else quote_literal(a) if isinstance(a, str) else str(a) for a in args)
        execute = f"EXECUTE {self._names[query]}" + (f" ({values})" if args else "")
        explained = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {execute}"
        plan = json.loads(await self._connection.fetchval(explained))[0]["Plan"]
        for node in nodes(plan):
            if node.get("Relation Name") in ("requirements", "changes"):
                assert node["Node Type"] in ("Index Scan", "Index Only Scan"), plan
                self.rows += (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        return await self._connection.fetch(query, *args)


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_a_page_reads_few_rows(connection: asyncpg.Connection, mode: str) -> None:
    """A page reads a few rows more than it returns; with filters, at most the hundredfold. So does the newest position.

    Generic plans are made while the tables are empty.
    """
    for name, value in {**INDEX_SCANS, "plan_cache_mode": mode, "jit": "off"}.items():
        await connection.execute(f"SET {name} = '{value}'")
    counting = Explaining(connection)
    executor: Any = counting
    feed = await read_feed(connection)
    filters: Mapping[str, FeedFilters] = {
        "all": FeedFilters(),
        "one": FeedFilters(key="k5"),
        "none": FeedFilters(required_type="Service", required_id=1),
    }
    for chosen in filters.values():
        await read_feed_page(executor, feed, Position(), 10, chosen, EVERYONE)
    await read_newest_position(executor)
    for _ in range(20):
        await connection.execute(
            "INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, key) "
            "SELECT 'User', 1, 'User', 2, 'k' || n FROM generate_series(1, 500) AS n"
        )
    await connection.execute("UPDATE requirements SET value = 'x' WHERE id % 3 = 0")
    await connection.execute("ANALYZE requirements, changes")
    await wait_for_other_transactions(connection)
    for name, chosen in filters.items():
        page: FeedPage | None = FeedPage((), Position(), complete=False)
        for _ in range(4):
            assert page is not None
            counting.rows = 0
            page = await read_feed_page(executor, feed, page.next, 10, chosen, EVERYONE)
            assert page is not None
            assert counting.rows <= (20 if name == "all" else 10 * ROWS_READ_PER_ROW + 10), name
            assert len(page.events) == 10 if name == "all" else not page.complete
    counting.rows = 0
    assert await read_newest_position(executor) is not None
    assert counting.rows <= 10
