"""Compare a history with the tables requirements and changes, in SQL on the service's own database."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from tests.tools.ledger.attempts import Attempt, attempts
from tests.tools.ledger.history import Entry, History

HERE = Path(__file__).parent

RULES = ("subject", "status", "since", "until", "must")


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken guarantee: its kind, the marker of the request, and details."""

    kind: str
    marker: str | None
    details: str | None

    def __str__(self) -> str:
        return f"{self.kind}: {self.marker} {self.details or ''}".rstrip()


async def check(history: History, dsn: str, *, since: int = 0, lag_seconds: float = 0.0) -> list[Violation]:
    """Return the contradictions between `history` and the database `dsn`, in which no write may be in flight.

    `since` is a position in the history. Only requests sent after it are checked, together with earlier attempts at the
    same requests; what has no history entry is then ignored. Reads may lack what was acknowledged in the last
    `lag_seconds` before they were sent.
    """
    entries = list(history.entries())
    judged = {entry["marker"] for entry in (history.entries(since) if since else entries) if entry["event"] == "sent"}
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute((HERE / "history.sql").read_text())
        rows = (attempt.to_row() for attempt in attempts(entries, judged))
        await connection.copy_records_to_table("attempts", records=rows, columns=Attempt._fields)
        await connection.copy_records_to_table("rules", records=_rules(entries), columns=RULES)
        await connection.execute((HERE / "events.sql").read_text())
        found = await connection.fetch((HERE / "violations.sql").read_text(), since == 0, lag_seconds)
    finally:
        await connection.close()
    return [Violation(*row) for row in found]


def _rules(entries: list[Entry]) -> Iterator[tuple[Any, ...]]:
    for entry in entries:
        if entry["event"] == "rule":
            until = float("inf") if entry["until"] is None else entry["until"]
            yield (entry["subject"], entry["status"], entry["since"], until, entry["must"])
