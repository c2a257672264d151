"""Sending requests over many connections at once, each connection one after another, and judging every answer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from tests.api.bad_inputs.wire import Response, connected, receive
from tests.tools.inputs.answers import faults
from tests.tools.inputs.contract import KEY, Asked, Verdict, judge
from tests.tools.inputs.world import World

# Longer than the second that an answer may take: the machine may be at other things, too.
PATIENCE_SECONDS = 5.0
KEPT_FAILURES = 20


@dataclass
class Judged:
    """What came of it: how many answers were judged by family and status, and what was wrong."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    created: dict[int, dict[str, Any]] = field(default_factory=dict)

    def note(self, family: str, status: str, asked: bytes, found: list[str]) -> None:
        """Count an answer to what was asked, and keep what was wrong."""
        self.counts[family, status] += 1
        if found and len(self.failures) < KEPT_FAILURES:
            self.failures.append(f"{family}: {'; '.join(found)}\n    {asked[:2000]!r}")


class Caller:
    """One connection, opened anew where the last answer or request ended it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open = AsyncExitStack()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, asked: Asked, *, last: bool) -> Response:
        """The answer; after the `last` one the connection is closed."""
        if self._streams is None:
            self._streams = await self._open.enter_async_context(connected(self._port))
        reader, writer = self._streams
        writer.write(asked.request.head + asked.request.body)
        async with asyncio.timeout(PATIENCE_SECONDS):
            response = await receive(reader, has_body=asked.request.method != "HEAD")
        if last or response.header("Connection") == "close":
            await self.close()
        return response

    async def close(self) -> None:
        """Leave the connection."""
        self._streams = None
        await self._open.aclose()


class Runner:
    """Judges the answers of the service at `port`, whose database holds `world`."""

    def __init__(self, port: int, world: World, max_body_bytes: int) -> None:
        self._port = port
        self._world = world
        self._max_body_bytes = max_body_bytes
        self.judged = Judged()

    async def run(self, requests: Iterator[tuple[str, Asked]], connections: int) -> None:
        """Send all requests."""
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(self._send_all(requests))

    async def _send_all(self, requests: Iterator[tuple[str, Asked]]) -> None:
        async with _caller(self._port) as caller:
            for family, asked in requests:
                try:
                    await self.ask(caller, family, asked)
                except (OSError, EOFError, TimeoutError) as error:
                    self.judged.note(family, "no answer", asked.request.head + asked.body, [repr(error)])
                    await caller.close()

    async def ask(self, caller: Caller, family: str, asked: Asked) -> None:
        """Send one request and judge the answer; what a key made repeatable is sent twice."""
        verdict = judge(asked, self._world, self._max_body_bytes)
        told = await self._judge(caller, family, asked, verdict)
        if verdict.data and told and KEY in dict(asked.request.headers):
            again = await self._judge(caller, "replays", asked, verdict, outcome="replayed")
            if again != told:
                self.judged.failures.append(f"replays: {again} was {told} first")
        if verdict.data and told:
            self.judged.created[told["id"]] = verdict.data

    async def _judge(self, caller: Caller, family: str, asked: Asked, verdict: Verdict, outcome: str = "") -> Any:
        response = await caller.ask(asked, last=len(asked.body) > self._max_body_bytes)
        found = faults(response, asked, verdict, outcome)
        self.judged.note(family, verdict.status, asked.request.head + asked.body, found)
        return None if found else response.json()["data"]

    async def judge_rows(self, connection: asyncpg.Connection) -> None:
        """Hold the table against the answers: each record that was told, as it was told, and no other."""
        rows = {row["id"]: _sent(row) for row in await connection.fetch("SELECT * FROM requirements")}
        if rows != self.judged.created:
            told, there = self.judged.created.items(), rows.items()
            differing = {row_id for row_id, data in told if rows.get(row_id) != data} | (
                rows.keys() - dict(told).keys()
            )
            self.judged.failures.append(
                f"{len(differing)} of {len(there)} rows are not as told: {sorted(differing)[:9]}"
            )


@asynccontextmanager
async def _caller(port: int) -> AsyncIterator[Caller]:
    caller = Caller(port)
    try:
        yield caller
    finally:
        await caller.close()


def _sent(row: asyncpg.Record) -> dict[str, Any]:
    references = {name: {"type": row[f"{name}_type"], "id": row[f"{name}_id"]} for name in ("required", "requireable")}
    return references | {"key": row["key"], "value": row["value"]}
