"""Judging a history by the table: SQL does it, on the database that the service wrote to."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from tests.tools.ledger.history import Entry, History

HERE = Path(__file__).parent

ATTEMPTS = (
    *("marker", "attempt", "caller", "want", "idempotency_key", "params"),
    *("application_id", "user_id", "session_id", "sent_at", "saw_at", "outcome", "status", "told", "data"),
)
RULES = ("subject", "status", "since", "until", "must")

# A client that never came to write what it saw may have had its request carried out.
_UNSEEN: Entry = {"at": None, "outcome": "unknown", "status": "nothing seen", "told": None, "data": None}


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken: which kind, for which marker, and what tells so."""

    kind: str
    marker: str | None
    details: str | None

    def __str__(self) -> str:
        return f"{self.kind}: {self.marker} {self.details or ''}".rstrip()


async def check(history: History, dsn: str, *, since: int = 0) -> list[Violation]:
    """What contradicts the table in the database `dsn`, whose writes must have come to rest.

    `since` is a position in the history: only what was sent after it is judged, with whatever was sent earlier under
    the same markers, and rows that are in no history are not looked for.
    """
    entries = list(history.entries())
    judged = {entry["marker"] for entry in (history.entries(since) if since else entries) if entry["event"] == "sent"}
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute((HERE / "history.sql").read_text())
        await connection.copy_records_to_table("attempts", records=_attempts(entries, judged), columns=ATTEMPTS)
        await connection.copy_records_to_table("rules", records=_rules(entries), columns=RULES)
        await connection.execute("ANALYZE attempts")
        rows = await connection.fetch((HERE / "violations.sql").read_text(), since == 0)
    finally:
        await connection.close()
    return [Violation(*row) for row in rows]


def _attempts(entries: list[Entry], judged: Container[str]) -> Iterator[tuple[Any, ...]]:
    seen = {(entry["marker"], entry["attempt"]): entry for entry in entries if entry["event"] == "saw"}
    for sent in entries:
        if sent["event"] != "sent" or sent["marker"] not in judged:
            continue
        saw = seen.get((sent["marker"], sent["attempt"]), _UNSEEN)
        yield (
            *(sent[name] for name in ATTEMPTS[:5]),
            _json(sent["params"]),
            *sent["recorded_for"],
            *(sent["at"], saw["at"], saw["outcome"], saw["status"], saw["told"]),
            None if saw["data"] is None else _json(saw["data"]),
        )


def _json(content: object) -> str:
    return orjson.dumps(content).decode()


def _rules(entries: list[Entry]) -> Iterator[tuple[Any, ...]]:
    for entry in entries:
        if entry["event"] == "rule":
            until = float("inf") if entry["until"] is None else entry["until"]
            yield (entry["subject"], entry["status"], entry["since"], until, entry["must"])
