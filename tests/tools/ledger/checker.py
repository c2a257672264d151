"""Compare a history with the table requirements, in SQL on the service's own database."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from tests.tools.ledger.history import Entry, History

HERE = Path(__file__).parent

ATTEMPTS = (
    *("marker", "attempt", "caller", "expected_status", "idempotency_key", "params"),
    *(
        "application_id",
        "user_id",
        "session_id",
        "sent_at",
        "received_at",
        "outcome",
        "status",
        "outcome_header",
        "data",
    ),
)
RULES = ("subject", "status", "since", "until", "must")

# A client stopped before it recorded a result: its request may have been executed.
_NO_RESULT: Entry = {
    "at": None,
    "outcome": "unknown",
    "status": "no result recorded",
    "outcome_header": None,
    "data": None,
}


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken guarantee: its kind, the marker of the request, and details."""

    kind: str
    marker: str | None
    details: str | None

    def __str__(self) -> str:
        return f"{self.kind}: {self.marker} {self.details or ''}".rstrip()


async def check(history: History, dsn: str, *, since: int = 0) -> list[Violation]:
    """Return the contradictions between `history` and the database `dsn`, in which no write may be in flight.

    `since` is a position in the history. Only requests sent after it are checked, together with earlier attempts at the
    same requests; rows without a history entry are then ignored.
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
    results = {(entry["marker"], entry["attempt"]): entry for entry in entries if entry["event"] == "received"}
    for sent in entries:
        if sent["event"] != "sent" or sent["marker"] not in judged:
            continue
        result = results.get((sent["marker"], sent["attempt"]), _NO_RESULT)
        yield (
            *(sent[name] for name in ATTEMPTS[:5]),
            _json(sent["params"]),
            *sent["recorded_for"],
            *(sent["at"], result["at"], result["outcome"], result["status"], result["outcome_header"]),
            None if result["data"] is None else _json(result["data"]),
        )


def _json(content: object) -> str:
    return orjson.dumps(content).decode()


def _rules(entries: list[Entry]) -> Iterator[tuple[Any, ...]]:
    for entry in entries:
        if entry["event"] == "rule":
            until = float("inf") if entry["until"] is None else entry["until"]
            yield (entry["subject"], entry["status"], entry["since"], until, entry["must"])
