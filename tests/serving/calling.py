"""A caller of the real service, and what is true of every answer however broken the database is."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import aiohttp

from service.domain.statuses import ApplicationCrash
from service.storage.demo import Demo
from tests.api.exchange import IDEMPOTENCY_KEY, ApiResponse, read_envelope, refusal
from tests.factories import CREATE
from tests.serving.postgres import Postgres
from tests.serving.process import Serve

CRASH = refusal(ApplicationCrash)

BUDGET_SECONDS = 4.0

# The shipped limits, shortened to what tests can wait for.
QUICK = {
    "WEB_CONCURRENCY": "2",
    "REQUIREMENTS__SERVER__REQUEST_TIMEOUT_SECONDS": str(BUDGET_SECONDS),
    "REQUIREMENTS__DATABASE__LOCK_TIMEOUT_SECONDS": "1",
    "REQUIREMENTS__DATABASE__STATEMENT_TIMEOUT_SECONDS": "2",
}


@dataclass(frozen=True)
class Caller:
    """Asks one running service over fresh connections, with the demo's token and records."""

    http: aiohttp.ClientSession
    serve: Serve
    workers: Sequence[int]
    made: Demo

    async def create(self, value: str = "gold", token: str | None = None, key: str | None = None) -> ApiResponse:
        """The answer to a create, with `key` as its Idempotency-Key where there is one."""
        params = {
            "token": token or self.made.application_token,
            "required": {"type": "Service", "id": self.made.service_id},
            "requireable": {"type": "Application", "id": self.made.application_id},
            "value": value,
        }
        async with self.http.post(
            f"{self.serve.url}{CREATE}", json=params, headers={IDEMPOTENCY_KEY: key} if key else None
        ) as response:
            return await read_envelope(response)

    async def ping(self) -> float:
        """How many seconds a ping takes."""
        began = time.monotonic()
        async with self.http.get(f"{self.serve.url}/ping") as response:
            assert (response.status, await response.json()) == (200, {"status": "ok"})
        return time.monotonic() - began

    async def ready(self) -> tuple[int, dict[str, object]]:
        """What /ready says, which it says within two seconds."""
        async with asyncio.timeout(2), self.http.get(f"{self.serve.url}/ready") as response:
            return response.status, await response.json()

    async def becomes_ready(self, seconds: float = 5) -> None:
        """Wait until /ready says yes in every worker."""

        async def yes() -> bool:
            return (await self.ready())[0] == 200

        await self._in_every_worker(yes, seconds)

    async def settles(self, status: str, seconds: float) -> None:
        """Wait until creates answer with `status` in every worker."""

        async def told() -> bool:
            return bool((await self.create()).status == status)

        await self._in_every_worker(told, seconds)

    async def _in_every_worker(self, condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for worker in self.workers:
            with self.serve.only(worker, self.workers):
                while not await condition():
                    assert time.monotonic() < deadline, f"not in time: {self.serve.output[-5:]}"


def unavailable(**checks: str) -> tuple[int, dict[str, object]]:
    """What /ready says when `checks` are not ok."""
    return 503, {"status": "unavailable", "checks": {"database": "ok", "migrations": "ok", "serving": "ok"} | checks}


NO_ANSWER = unavailable(database="no answer", migrations="unknown")
NEVER_MET = unavailable(database="no answer", migrations="unknown", serving="registry not loaded")


async def rows(postgres: Postgres, value: str) -> int:
    """How many requirements hold this value."""
    async with postgres.connection() as connection:
        count: int = await connection.fetchval("SELECT count(*) FROM requirements WHERE value = $1", value)
    return count


async def execute(postgres: Postgres, statement: str) -> None:
    """Run a statement as some other process would."""
    async with postgres.connection() as connection:
        await connection.execute(statement)
