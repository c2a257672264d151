"""Read what the last event of the change feed's follower contains, from whichever server answers."""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from tests.factories import READ
from tests.tools.ledger.follower import Follower
from tests.tools.ledger.http_client import HttpClient, NoAnswerError, NotSentError
from tests.tools.ledger.load import TIMEOUT_SECONDS, Load

REPLICA, PRIMARY, FAILED = "replica", "primary", "failed"
PAUSE_SECONDS = 0.01


class Reader:
    """Reads one requirement after the other: every second time after the cursor of its event."""

    def __init__(self, follower: Follower, token: str) -> None:
        self._follower = follower
        self._token = token
        self.answers: Counter[str] = Counter()  # by server, and FAILED
        self.problems: list[str] = []

    @contextlib.asynccontextmanager
    async def reading(self, load: Load) -> AsyncIterator[None]:
        """Read until the context ends."""
        task = asyncio.create_task(self._read(load.http_client(keep_alive=True)))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _read(self, client: HttpClient) -> None:
        for number in itertools.count():
            event = self._follower.last
            if event is not None and event["change"] != "destroyed":
                await self._read_once(client, event, after_cursor=number % 2 == 0)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _read_once(self, client: HttpClient, event: Mapping[str, Any], *, after_cursor: bool) -> None:
        body = orjson.dumps({"token": self._token, "id": event["requirement"]["id"]})
        head = (
            f"POST {READ} HTTP/1.1\r\nHost: failover\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        )
        if after_cursor:
            head += f"\r\nX-Read-After: {event['cursor']}"
        try:
            answer = await client.send(f"{head}\r\n\r\n".encode() + body, TIMEOUT_SECONDS)
        except (NotSentError, NoAnswerError, TimeoutError):
            self.answers[FAILED] += 1
            return
        envelope = orjson.loads(answer.body)
        if envelope["status"] == "action-successful":
            self.answers[answer.headers.get("x-read-from", PRIMARY)] += 1
            if after_cursor and envelope["data"]["updated_at"] < event["requirement"]["updated_at"]:
                self.problems.append(f"read before {event}: {envelope['data']}")
        elif envelope["status"] == "invalid-param" and [error["param"] for error in envelope["errors"]] == ["id"]:
            self.answers[PRIMARY] += 1  # it has been destroyed since
        else:
            self.answers[FAILED] += 1
