"""Batches: the plans of their statements."""

import asyncpg
import pytest

from service.database.session import INDEX_PLANS_ONLY
from service.storage.requirement_batches import DESTROY_BATCH
from service.storage.requirement_syncs import UPDATE_BATCH


@pytest.mark.parametrize("statement", [DESTROY_BATCH, UPDATE_BATCH], ids=["destroy", "update"])
async def test_rows_of_a_batch_are_not_compared_with_each_other(connection: asyncpg.Connection, statement: str) -> None:
    """With the settings for writes, no plan has a nested loop, whose time grows with the square of the batch."""
    for name, value in INDEX_PLANS_ONLY.items():
        await connection.execute(f"SET {name} = '{value}'")
    arguments = ", ".join("NULL" for _ in (await connection.prepare(statement)).get_parameters())
    await connection.execute(f"PREPARE batch AS {statement}")
    plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE batch ({arguments})"))
    assert "Index Scan using requirements_pkey" in plan
    assert "Nested Loop" not in plan
