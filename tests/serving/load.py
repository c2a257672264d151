"""Concurrent callers, with new and keep-alive connections, that record every value they sent and its result."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from service.storage.demo import Demo
from tests.serving.connection import Address, Connection, NoAnswerError, RawAnswer
from tests.serving.postgres import Postgres


@dataclass
class History:
    """The values that were sent: the ids of those acknowledged, and the errors of the others."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    closing: int = 0  # responses that closed a keep-alive connection

    def record(self, value: str, answer: RawAnswer) -> None:
        """Record the response for a value."""
        if answer.code == 200 and answer.body["status"] == "action-successful":
            self.acknowledged[value] = answer.body["data"]["id"]
        else:
            self.failed[value] = f"{answer.code} {answer.body}"


@dataclass(frozen=True)
class Caller:
    """Creates requirements one after another, with a pause of up to `pause_seconds` between them."""

    name: str
    address: Address
    keep_alive: bool  # whether it reuses its connection until a response closes it
    pause_seconds: float

    async def call(self, made: Demo, history: History, stop: asyncio.Event) -> None:
        """Create requirements until `stop` is set."""
        pauses = random.Random(self.name)  # noqa: S311 - not a secret
        connection: Connection | None = None
        number = 0
        while not stop.is_set():
            number += 1
            connection = await self._create(connection, made, f"{self.name} {number}", history)
            await asyncio.sleep(pauses.uniform(0, self.pause_seconds))
        if connection is not None:
            await connection.close()

    async def _create(
        self, connection: Connection | None, made: Demo, value: str, history: History
    ) -> Connection | None:
        """Create one requirement. Returns the connection if the next request can use it."""
        closes = True
        try:
            connection = connection or await Connection.to(self.address)
            answer = await connection.create(params(made, value))
        except NoAnswerError as error:
            history.failed[value] = str(error)
        else:
            history.record(value, answer)
            closes = answer.closes
        if self.keep_alive and not closes:
            return connection
        history.closing += self.keep_alive
        if connection is not None:
            await connection.close()
        return None


def params(made: Demo, value: str) -> dict[str, object]:
    """The params of a create that succeeds."""
    return {
        "token": made.application_token,
        "required": {"type": "Service", "id": made.service_id},
        "requireable": {"type": "Application", "id": made.application_id},
        "value": value,
    }


def crowd(address: Address, name: str, pause_seconds: float = 0.1) -> list[Caller]:
    """Eight callers with different pauses, half of them with keep-alive connections."""
    return [
        Caller(
            f"{name} {'keep-alive' if keep_alive else 'new'} {number}",
            address,
            keep_alive,
            pause_seconds * (1 + number),
        )
        for keep_alive in (True, False)
        for number in range(4)
    ]


@contextlib.asynccontextmanager
async def load(made: Demo, callers: Sequence[Caller]) -> AsyncIterator[History]:
    """Run all callers until the context ends. The history is complete afterwards."""
    history, stop = History(), asyncio.Event()
    running = asyncio.gather(*(caller.call(made, history, stop) for caller in callers))
    try:
        yield history
    finally:
        stop.set()
        await running


async def assert_exactly_once(postgres: Postgres, history: History) -> None:
    """Assert that each acknowledged value is in the table once, with its id, and that no value is there twice."""
    values = [*history.acknowledged, *history.failed]
    async with postgres.connection() as connection:
        found = await connection.fetch("SELECT value, id FROM requirements WHERE value = ANY($1)", values)
    rows = {row["value"]: row["id"] for row in found}
    assert len(rows) == len(found)
    assert {value: rows.get(value) for value in history.acknowledged} == history.acknowledged
