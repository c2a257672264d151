"""Append-only log of requests, results and faults: one JSON object a line, on disk before the client continues."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import orjson

from tests.tools.ledger.outcomes import AttemptResult
from tests.tools.ledger.requests import Request

Entry = dict[str, Any]


class History:
    """An append-only file. Times are seconds since it was opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Unbuffered: the entry must be on disk before the request is sent, even if this process is killed.
        self._file = path.open("ab", buffering=0)
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def now(self) -> float:
        """Seconds since the file was opened."""
        return time.monotonic() - self._began

    @property
    def position(self) -> int:
        """File position of the next entry; see `entries`."""
        return self._file.tell()

    def _add(self, event: str, **facts: Any) -> None:
        self._file.write(orjson.dumps({"event": event, "at": self.now, **facts}, option=orjson.OPT_APPEND_NEWLINE))

    def sent(self, request: Request, attempt: int) -> None:
        """Record that a client is about to send a request, for the `attempt`-th time."""
        caller = request.caller
        self._add(
            "sent",
            marker=request.marker,
            attempt=attempt,
            action=request.action,
            caller=caller.name,
            expected_status=request.expected_status,
            item_statuses=request.item_statuses,
            idempotency_key=request.idempotency_key,
            params={name: value for name, value in request.params.items() if name != "token"},
            recorded_for=[caller.application_id, caller.user_id, caller.session_id],
        )

    def received(self, request: Request, attempt: int, result: AttemptResult) -> None:
        """Record the result of that attempt."""
        self._add(
            "received",
            marker=request.marker,
            attempt=attempt,
            outcome=result.outcome,
            status=result.status,
            code=result.code,
            outcome_header=result.outcome_header,
            data=result.data,
        )

    @contextlib.contextmanager
    def bracket(self, fault: str) -> Iterator[None]:
        """Record when a fault starts and ends."""
        self._add("began", fault=fault)
        try:
            yield
        finally:
            self._add("ended", fault=fault)

    def rule(self, subject: str, status: str, since: float, until: float | None = None, *, must: bool) -> None:
        """Record a change: in this period, requests of `subject` (a caller's name or "everyone") may get `status`.

        With `must`, a request that is sent and answered within the period must not succeed.
        """
        self._add("rule", subject=subject, status=status, since=since, until=until, must=must)

    def entries(self, position: int = 0) -> Iterator[Entry]:
        """Yield the entries from `position` on."""
        with self.path.open("rb") as lines:
            lines.seek(position)
            for line in lines:
                yield orjson.loads(line)
