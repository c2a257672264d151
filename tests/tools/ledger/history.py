"""What was sent and seen, and what was broken meanwhile: a line of JSON each, on disk before anything goes on."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import orjson

from tests.tools.ledger.outcomes import Seen
from tests.tools.ledger.requests import Request

Entry = dict[str, Any]


class History:
    """A file that is only ever added to. Moments are seconds since it was opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Unbuffered: what a client is about to send must be there even if this process is killed.
        self._file = path.open("ab", buffering=0)
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def now(self) -> float:
        """The present moment."""
        return time.monotonic() - self._began

    @property
    def position(self) -> int:
        """Where the next entry will stand, for `entries` to begin at."""
        return self._file.tell()

    def _add(self, event: str, **facts: Any) -> None:
        self._file.write(orjson.dumps({"event": event, "at": self.now, **facts}, option=orjson.OPT_APPEND_NEWLINE))

    def sent(self, request: Request, attempt: int) -> None:
        """A client is about to send a request, for the `attempt`-th time."""
        caller = request.caller
        self._add(
            "sent",
            marker=request.marker,
            attempt=attempt,
            caller=caller.name,
            want=request.want,
            idempotency_key=request.idempotency_key,
            params={name: value for name, value in request.params.items() if name != "token"},
            recorded_for=[caller.application_id, caller.user_id, caller.session_id],
        )

    def saw(self, request: Request, attempt: int, seen: Seen) -> None:
        """How that attempt ended for the client."""
        self._add(
            "saw",
            marker=request.marker,
            attempt=attempt,
            outcome=seen.outcome,
            status=seen.status,
            code=seen.code,
            told=seen.told,
            data=seen.data,
        )

    @contextlib.contextmanager
    def bracket(self, fault: str) -> Iterator[None]:
        """Note when a fault begins and ends."""
        self._add("began", fault=fault)
        try:
            yield
        finally:
            self._add("ended", fault=fault)

    def rule(self, subject: str, status: str, since: float, until: float | None = None, *, must: bool) -> None:
        """Something was changed: answers to `subject`, a caller's name or "everyone", are `status` in this time.

        Where they `must` be, no request sent and answered in it may succeed; else they may be.
        """
        self._add("rule", subject=subject, status=status, since=since, until=until, must=must)

    def entries(self, position: int = 0) -> Iterator[Entry]:
        """What was written from `position` on."""
        with self.path.open("rb") as lines:
            lines.seek(position)
            for line in lines:
                yield orjson.loads(line)
