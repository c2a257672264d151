"""Query plans of the console: with many rows, a page reads few of them."""

import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from service.database.queries import QUERIES, quote_literal

ROWS = 50_000

FILL = f"""
INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, key)
SELECT
    'Service', CASE WHEN n % 100 < 98 THEN 1 ELSE n END, 'User', 1 + n % 5000,
    CASE WHEN n < 100 THEN 'old' WHEN n % 3 > 0 THEN 'k' || n % 7 END
FROM generate_series(1, {ROWS}) AS n;
INSERT INTO notifications (kind, message, acknowledged_at)
SELECT 'kind-' || n % 3, 'm', CASE WHEN n % 500 > 0 THEN now() END FROM generate_series(1, {ROWS}) AS n;
INSERT INTO changes (
    change, requirement_id, required_type, required_id, requireable_type, requireable_id, created_at, updated_at
)
SELECT 'updated', n % 5000, 'Service', 1, 'User', 1, now(), now() FROM generate_series(1, {ROWS}) AS n;
INSERT INTO audit (actor, action) SELECT 'Ada', 'change' FROM generate_series(1, {ROWS});
ANALYZE;
"""  # noqa: S608 - a constant

PLANS = [
    ("find_requirements", ("{40000,17}",), {"requirements_pkey"}),
    ("list_changes_of_requirement", (17, 21), {"changes_requirement_idx", "requirements_pkey"}),
    ("list_audit", (40_000, 51), {"audit_pkey"}),
    ("list_notifications", (40_000, None, False, 51), {"notifications_pkey"}),
    ("list_notification_kinds", (), {"notifications_kind_cause_created_at_idx"}),
    ("count_unread_notifications", (1000,), {"notifications_unread_idx"}),
]


@pytest.fixture
async def filled(connection: asyncpg.Connection) -> asyncpg.Connection:
    """A connection to a database with many rows."""
    await connection.execute(FILL)
    return connection


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All nodes of a plan."""
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_pages_are_read_from_indexes(filled: asyncpg.Connection, mode: str) -> None:
    """With custom and generic plans, every query uses its index and reads few blocks."""
    await filled.execute(f"SET plan_cache_mode = {mode}; SET jit = off")
    for number, (name, args, indexes) in enumerate(PLANS):
        await filled.execute(f"PREPARE query_{number} AS {QUERIES[name]}")
        values = f"({', '.join(map(literal, args))})" if args else ""
        output = await filled.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE query_{number} {values}")
        steps = list(nodes(json.loads(output)[0]["Plan"]))
        used = {step["Index Name"] for step in steps if "Index Name" in step}
        assert used == indexes, (name, args, used)
        assert "Seq Scan" not in {step["Node Type"] for step in steps}, (name, args)
        assert steps[0]["Shared Hit Blocks"] + steps[0]["Shared Read Blocks"] < 200, (name, args)


def literal(value: object) -> str:
    """A constant as an SQL literal."""
    return "NULL" if value is None else quote_literal(value) if isinstance(value, str) else str(value)
