"""Send requests over many connections, sequentially on each, and check every answer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from tests.api.bad_inputs.wire import Response, connected, receive
from tests.tools.inputs.answer_checks import faults
from tests.tools.inputs.contract import KEY, Case, Expected, expect
from tests.tools.inputs.database_state import DatabaseState
from tests.tools.inputs.stories import Story

# The contract allows one second for an answer; longer here, because the machine may be busy.
TIMEOUT_SECONDS = 5.0
MAX_FAILURES = 20


@dataclass
class Results:
    """Number of answers by family and status, and failures."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    created: dict[int, dict[str, Any]] = field(default_factory=dict)

    def add(self, family: str, status: str, case: bytes, found: list[str]) -> None:
        """Count an answer, and keep what was wrong with it."""
        self.counts[family, status] += 1
        if found and len(self.failures) < MAX_FAILURES:
            self.failures.append(f"{family}: {'; '.join(found)}\n    {case[:2000]!r}")


class Connection:
    """A connection that is reopened after the last answer or request closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open = AsyncExitStack()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, case: Case, *, last: bool) -> Response:
        """Send a request and return the response; close the connection after the `last` one."""
        if self._streams is None:
            self._streams = await self._open.enter_async_context(connected(self._port))
        reader, writer = self._streams
        writer.write(case.request.head + case.request.body)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            response = await receive(reader, has_body=case.request.method != "HEAD")
        if last or response.header("Connection") == "close":
            await self.close()
        return response

    async def close(self) -> None:
        """Close the connection."""
        self._streams = None
        await self._open.aclose()


class Runner:
    """Checks the answers of the service at `port`, whose database is in `state`."""

    def __init__(self, port: int, state: DatabaseState, max_body_bytes: int) -> None:
        self._port = port
        self._state = state
        self._max_body_bytes = max_body_bytes
        self.results = Results()

    async def run(self, requests: Iterator[tuple[str, Case | Story]], connections: int) -> None:
        """Send all requests."""
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(self._send_all(requests))

    async def _send_all(self, requests: Iterator[tuple[str, Case | Story]]) -> None:
        async with _connection(self._port) as connection:
            for family, item in requests:
                if isinstance(item, Story):
                    await self._tell(connection, item)
                else:
                    await self._send_or_reconnect(connection, family, item)

    async def _send_or_reconnect(self, connection: Connection, family: str, case: Case) -> None:
        try:
            await self.send(connection, family, case)
        except (OSError, EOFError, TimeoutError) as error:
            self.results.add(family, "no answer", case.request.head + case.body, [repr(error)])
            await connection.close()

    async def _tell(self, connection: Connection, story: Story) -> None:
        """Make all calls of a story, and check each answer; the first wrong one ends it."""
        for step in story.steps():
            until = asyncio.get_running_loop().time() + (TIMEOUT_SECONDS if step.until else 0)
            while True:
                response = await connection.send(step.case, last=False)
                found = faults(response, step.case, step.expected, step.outcome)
                if not found or asyncio.get_running_loop().time() >= until:
                    break
                # An older transaction is still open: the feed waits for it.
                await asyncio.sleep(0.01)
            self.results.add("stories", step.expected.status, step.case.request.head + step.case.body, found)
            if found:
                return
            story.answer = response.json()["data"]
        kept = ("required", "requireable", "key", "value")
        self.results.created |= {number: {name: row[name] for name in kept} for number, row in story.rows.items()}

    async def send(self, connection: Connection, family: str, case: Case) -> None:
        """Send one request and check the answer. If a keyed request succeeds, send it again."""
        expected = expect(case, self._state, self._max_body_bytes)
        answered = await self._check(connection, family, case, expected)
        if expected.data and answered and KEY in dict(case.request.headers):
            again = await self._check(connection, "replays", case, expected, outcome="replayed")
            if again != answered:
                self.results.failures.append(f"replays: {again} was {answered} first")
        if expected.data and answered:
            self.results.created[answered["id"]] = expected.data

    async def _check(
        self, connection: Connection, family: str, case: Case, expected: Expected, outcome: str = ""
    ) -> Any:
        response = await connection.send(case, last=len(case.body) > self._max_body_bytes)
        found = faults(response, case, expected, outcome)
        self.results.add(family, expected.status, case.request.head + case.body, found)
        return None if found else response.json()["data"]

    async def check_rows(self, connection: asyncpg.Connection) -> None:
        """Compare the table with the answers: exactly the records answered, with the same content."""
        rows = {row["id"]: _sent(row) for row in await connection.fetch("SELECT * FROM requirements")}
        created = self.results.created
        differing = sorted(row_id for row_id in rows.keys() | created.keys() if rows.get(row_id) != created.get(row_id))
        if differing:
            self.results.failures.append(
                f"{len(differing)} of {len(rows)} rows differ from the answers: {differing[:9]}"
            )


@asynccontextmanager
async def _connection(port: int) -> AsyncIterator[Connection]:
    connection = Connection(port)
    try:
        yield connection
    finally:
        await connection.close()


def _sent(row: asyncpg.Record) -> dict[str, Any]:
    references = {name: {"type": row[f"{name}_type"], "id": row[f"{name}_id"]} for name in ("required", "requireable")}
    return references | {"key": row["key"], "value": row["value"]}
