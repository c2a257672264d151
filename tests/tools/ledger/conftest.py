"""Fixtures: a history to plant violations in."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.tools.ledger.callers import populate
from tests.tools.ledger.history import History
from tests.tools.ledger.planting import Ledger


@pytest.fixture
async def ledger(connection: asyncpg.Connection, database_url: str, tmp_path: Path) -> AsyncIterator[Ledger]:
    """An empty history, and an empty table."""
    with History(tmp_path / "history.jsonl") as history:
        yield Ledger(history, connection, database_url, await populate(connection, 2, 2))
