"""Many callers at once, on fresh connections and on kept ones, who write down what they sent and what they saw."""

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
    """The values that were sent: those acknowledged, with their ids, and what became of the others."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    closing: int = 0  # answers that closed a kept connection

    def note(self, value: str, answer: RawAnswer) -> None:
        """Write down what became of a value."""
        if answer.code == 200 and answer.body["status"] == "action-successful":
            self.acknowledged[value] = answer.body["data"]["id"]
        else:
            self.failed[value] = f"{answer.code} {answer.body}"


@dataclass(frozen=True)
class Caller:
    """One who creates requirements, one after another with a pause of up to `pause_seconds`."""

    name: str
    address: Address
    keeps: bool  # its connection, as long as answers let it
    pause_seconds: float

    async def call(self, made: Demo, history: History, stop: asyncio.Event) -> None:
        """Go on until `stop` is set."""
        pauses = random.Random(self.name)  # noqa: S311 - no secret, a schedule
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
        """Create one requirement; the connection for the next, where there is one."""
        closes = True
        try:
            connection = connection or await Connection.to(self.address)
            answer = await connection.create(params(made, value))
        except NoAnswerError as error:
            history.failed[value] = str(error)
        else:
            history.note(value, answer)
            closes = answer.closes
        if self.keeps and not closes:
            return connection
        history.closing += self.keeps
        if connection is not None:
            await connection.close()
        return None


def params(made: Demo, value: str) -> dict[str, object]:
    """Those of a create that succeeds."""
    return {
        "token": made.application_token,
        "required": {"type": "Service", "id": made.service_id},
        "requireable": {"type": "Application", "id": made.application_id},
        "value": value,
    }


def crowd(address: Address, name: str, pause_seconds: float = 0.1) -> list[Caller]:
    """Callers who hurry and callers who take their time, half of them keeping their connection."""
    return [
        Caller(f"{name} {'kept' if keeps else 'fresh'} {number}", address, keeps, pause_seconds * (1 + number))
        for keeps in (True, False)
        for number in range(4)
    ]


@contextlib.asynccontextmanager
async def load(made: Demo, callers: Sequence[Caller]) -> AsyncIterator[History]:
    """Have all of them call meanwhile; the history is whole at the end."""
    history, stop = History(), asyncio.Event()
    calling = asyncio.gather(*(caller.call(made, history, stop) for caller in callers))
    try:
        yield history
    finally:
        stop.set()
        await calling


async def assert_exactly_once(postgres: Postgres, history: History) -> None:
    """What was acknowledged is in the table once, by the id that was told, and nothing of it is there twice."""
    values = [*history.acknowledged, *history.failed]
    async with postgres.connection() as connection:
        found = await connection.fetch("SELECT value, id FROM requirements WHERE value = ANY($1)", values)
    rows = {row["value"]: row["id"] for row in found}
    assert len(rows) == len(found)
    assert {value: rows.get(value) for value in history.acknowledged} == history.acknowledged
