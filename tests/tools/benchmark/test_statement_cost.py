"""The parts of the statement of a create that are measured apart."""

import itertools

import asyncpg

from tests.tools.benchmark.database import SQL
from tests.tools.benchmark.statement_cost import (
    BEFORE,
    PLAIN,
    SIZES,
    WHOLE,
    all_items,
    measure,
    parts_of_create,
    report,
)

ROWS = 8
COUNTING = {"reading the rows", "+ judging the tokens", "+ locking the references"}
INSERTING = {**dict.fromkeys(("reading and inserting", WHOLE, "create_requirements", BEFORE), ROWS), PLAIN: 1}


async def fill(connection: asyncpg.Connection) -> None:
    """Create what the statements refer to."""
    await connection.execute((SQL / "records.sql").read_text())
    await connection.execute((SQL / "users.sql").read_text(), 1, 10)
    await connection.execute((SQL / "sessions.sql").read_text(), 1, 1_000, 10)


async def test_each_statement_does_what_it_is_measured_for(connection: asyncpg.Connection) -> None:
    """The statements that insert write each row; the others find each row, its token and its references valid."""
    await fill(connection)
    written, items = {}, all_items()
    for name, (statement, arguments) in parts_of_create(connection).items():
        before = await connection.fetchval("SELECT count(*) FROM requirements")
        rows = await connection.fetch(statement, *arguments(list(itertools.islice(items, ROWS))))
        written[name] = await connection.fetchval("SELECT count(*) FROM requirements") - before
        if name in COUNTING:
            assert rows[0][0] == ROWS
    assert written == dict.fromkeys(written, 0) | INSERTING


async def test_all_are_reported(connection: asyncpg.Connection, database_url: str) -> None:
    """A run measures each statement at each size, and reports the ratios."""
    await fill(connection)
    times = await measure(database_url, 0)
    assert set(times) == set(SIZES)
    assert all(min(values) > 0 for of_size in times.values() for values in of_size.values())
    lines = report(times).splitlines()
    assert [line.split("  ")[0] for line in lines[1:-4]] == list(parts_of_create(connection))
