"""Changes that other software makes with SQL: the triggers that record them."""

import asyncpg
import pytest

from tests.api.feed import INSERT

CHANGES = ["UPDATE requirements SET value = 'new'", "DELETE FROM requirements", "TRUNCATE requirements CASCADE"]
KINDS = "SELECT change FROM changes ORDER BY transaction_id, id"


@pytest.mark.parametrize("change", CHANGES)
async def test_each_row_costs_a_look_up(connection: asyncpg.Connection, other: asyncpg.Connection, change: str) -> None:
    """The table changes is never scanned, however many rows are changed, though its statistics call it empty."""
    await connection.execute("VACUUM ANALYZE changes")
    for number in range(50):
        await connection.execute(INSERT, str(number))
    # A connection that has not planned any of this yet.
    async with other.transaction():
        await other.execute(change)
        scanned = "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relid = 'changes'::regclass"
        assert await other.fetchval(scanned) == 0
    assert len(await connection.fetch(KINDS)) == 100


@pytest.mark.parametrize(("change", "kind"), list(zip(CHANGES, ("updated", "destroyed", "destroyed"), strict=True)))
async def test_rows_that_were_restored_with_all_columns(connection: asyncpg.Connection, change: str, kind: str) -> None:
    """Rows that were inserted from a copy, or without a transaction id, can be changed, and the change is recorded."""
    for value in ("a", "b"):
        await connection.execute(INSERT, value)
    await connection.execute("CREATE TEMPORARY TABLE copies AS SELECT * FROM requirements")
    await connection.execute("TRUNCATE requirements CASCADE; INSERT INTO requirements SELECT * FROM copies")
    await connection.execute(
        "INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, transaction_id) "
        "VALUES ('User', 1, 'User', 2, NULL)"
    )
    await connection.execute(change)
    recorded = [row["change"] for row in await connection.fetch(KINDS)]
    assert recorded[-3:] == [kind] * 3
