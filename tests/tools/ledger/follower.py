"""Follow the change feed during a run, whatever fails, and replay its events: the replay must be the table."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import asyncpg
import orjson

from tests.tools.ledger.faults.fault import repeating
from tests.tools.ledger.http_client import HttpClient, NoAnswerError, NotSentError
from tests.tools.ledger.load import TIMEOUT_SECONDS, Load
from tests.tools.ledger.system import SystemUnderTest

PATH = "/api/v1/requirements/changes"
PAUSE_SECONDS = 0.05
CATCH_UP_SECONDS = 30.0

ROWS = """
SELECT id, jsonb_build_object(
    'id', id,
    'required', jsonb_build_object('type', required_type, 'id', required_id),
    'requireable', jsonb_build_object('type', requireable_type, 'id', requireable_id),
    'key', key,
    'value', value,
    'created_at', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'updated_at', to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
)::text AS record
FROM requirements
"""

# What other software does: rows that are gone again at the end, so that the history need not know them.
INSERT = """
INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, value)
VALUES ('Order', 1, 'Order', 1, 'other software') RETURNING id
"""
UPDATE = "UPDATE requirements SET value = 'other software, again' WHERE id = $1"
DELETE = "DELETE FROM requirements WHERE id = $1"
DELETE_ALL = "DELETE FROM requirements WHERE value LIKE 'other software%'"
OPEN_SECONDS = 0.1


class Replay:
    """The table as the events so far make it, and what is wrong with the events."""

    def __init__(self) -> None:
        self.rows: dict[int, Any] = {}
        self.events = 0
        self.doubles = 0
        self.gaps = 0
        self.problems: list[str] = []
        self._cursors: set[str] = set()

    def apply(self, event: Mapping[str, Any]) -> None:
        """Carry out one event."""
        self.events += 1
        requirement = event["requirement"]
        if event["cursor"] in self._cursors:
            self.doubles += 1
            self.problems.append(f"returned twice: {event}")
            return
        self._cursors.add(event["cursor"])
        before = self.rows.pop(requirement["id"], None)
        if event["change"] == "created" and before is not None:
            self.doubles += 1
            self.problems.append(f"created twice: {event}")
        if event["change"] != "created" and before is None:
            self._miss(f"changed before it was created: {event}")
        if event["change"] == "destroyed" and before not in (None, requirement):
            self._miss(f"destroyed, but the last event has another record: {event}")
        if event["change"] != "destroyed":
            self.rows[requirement["id"]] = requirement

    def compare(self, table: Mapping[int, Any]) -> None:
        """Note every difference between the replay and the table."""
        for number in sorted(self.rows.keys() | table.keys()):
            if self.rows.get(number) != table.get(number):
                self._miss(f"replayed {self.rows.get(number)}, but the table has {table.get(number)}")

    def _miss(self, problem: str) -> None:
        self.gaps += 1
        self.problems.append(problem)


class Follower:
    """Follows the feed with one cursor, over restarts of the service and at every address that it has."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._cursor: str | None = None
        self._last: Mapping[str, Any] | None = None
        self.replay = Replay()

    @property
    def last(self) -> Mapping[str, Any] | None:
        """The last event."""
        return self._last

    async def begin(self, client: HttpClient) -> None:
        """Begin with what changes from now on."""
        self._cursor = "now"
        while await self._step(client, 0) is None:
            pass

    @contextlib.asynccontextmanager
    async def following(self, load: Load) -> AsyncIterator[None]:
        """Follow until the context ends; paused when the load is."""

        async def follow() -> None:
            client = load.http_client(keep_alive=True)
            try:
                while True:
                    async with load.active():
                        await self._step(client, 1)
            finally:
                client.close()

        task = asyncio.create_task(follow())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def catch_up(self, system: SystemUnderTest) -> list[str]:
        """Read to the end while nothing is written, and compare with the table. Return all problems so far."""
        async with system.connection() as connection:
            await connection.execute(DELETE_ALL)
            await self.compare(connection, system.load.http_client())
        return self.replay.problems

    async def compare(self, connection: asyncpg.Connection, client: HttpClient) -> None:
        """Read until nothing has come for two calls, and compare with the table."""
        deadline, quiet = time.monotonic() + CATCH_UP_SECONDS, 0
        expected = {row["id"]: orjson.loads(row["record"]) for row in await connection.fetch(ROWS)}
        # A transaction of another program may still be open: its end is waited for.
        while (quiet < 2 or self.replay.rows != expected) and time.monotonic() < deadline:
            quiet = quiet + 1 if await self._step(client, 1) == 0 else 0
        self.replay.compare(expected)

    async def _step(self, client: HttpClient, wait_seconds: int) -> int | None:
        """Make one call; return the number of its events, None if it failed."""
        params = {"token": self._token, "after": self._cursor, "wait_seconds": wait_seconds, "page": {"size": 200}}
        body = orjson.dumps(params)
        head = f"POST {PATH} HTTP/1.1\r\nHost: ledger\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        try:
            answer = await client.send(f"{head}\r\n\r\n".encode() + body, TIMEOUT_SECONDS)
            envelope = orjson.loads(answer.body)
        except (NotSentError, NoAnswerError, TimeoutError, ValueError):
            await asyncio.sleep(PAUSE_SECONDS)
            return None
        if envelope["status"] != "action-successful":
            if envelope["status"] == "invalid-param":
                self.replay.problems.append(f"the cursor was refused: {envelope['errors']}")
            await asyncio.sleep(PAUSE_SECONDS)
            return None
        for event in envelope["data"]["results"]:
            self.replay.apply(event)
            self._last = event
        self._cursor = envelope["data"]["next"]
        return len(envelope["data"]["results"])


@contextlib.asynccontextmanager
async def other_software(system: SystemUnderTest) -> AsyncIterator[None]:
    """Write with SQL until the context ends: a transaction stays open for a while, and changes its row at its end."""

    async def write() -> None:
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            async with system.connection() as connection:
                async with connection.transaction():
                    row = await connection.fetchval(INSERT)
                    await asyncio.sleep(random.random() * OPEN_SECONDS)  # noqa: S311 - not for secrets
                    await connection.execute(UPDATE, row)
                await connection.execute(UPDATE.replace("again", "once more"), row)
                await connection.execute(DELETE, row)

    async with repeating(write, 0.1):
        yield
