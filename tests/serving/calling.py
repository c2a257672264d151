"""A caller of a running service, and what every response must be while the database is unavailable."""

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

# The default timeouts, shortened for tests.
QUICK = {
    "WEB_CONCURRENCY": "2",
    "REQUIREMENTS__SERVER__REQUEST_TIMEOUT_SECONDS": str(BUDGET_SECONDS),
    "REQUIREMENTS__DATABASE__LOCK_TIMEOUT_SECONDS": "1",
    "REQUIREMENTS__DATABASE__STATEMENT_TIMEOUT_SECONDS": "2",
}


@dataclass(frozen=True)
class Caller:
    """Sends requests to one running service, with the demo's token and records."""

    http: aiohttp.ClientSession
    serve: Serve
    workers: Sequence[int]
    demo: Demo

    async def create(self, value: str = "gold", token: str | None = None, key: str | None = None) -> ApiResponse:
        """Create a requirement, with `key` as the Idempotency-Key if given. Returns the response."""
        params = {
            "token": token or self.demo.application_token,
            "required": {"type": "Service", "id": self.demo.service_id},
            "requireable": {"type": "Application", "id": self.demo.application_id},
            "value": value,
        }
        async with self.http.post(
            f"{self.serve.url}{CREATE}", json=params, headers={IDEMPOTENCY_KEY: key} if key else None
        ) as response:
            return await read_envelope(response)

    async def call(self, action: str, key: str, **params: object) -> ApiResponse:
        """Call an action with `key` as the Idempotency-Key. Returns the response."""
        sent = {"token": self.demo.application_token, **params}
        url = f"{self.serve.url}/api/v1/requirements/{action}"
        async with self.http.post(url, json=sent, headers={IDEMPOTENCY_KEY: key}) as response:
            return await read_envelope(response)

    async def ping(self) -> float:
        """Send a ping. Returns how many seconds it took."""
        started = time.monotonic()
        async with self.http.get(f"{self.serve.url}/ping") as response:
            assert (response.status, await response.json()) == (200, {"status": "ok"})
        return time.monotonic() - started

    async def ready(self) -> tuple[int, dict[str, object]]:
        """The HTTP code and body of /ready, which must respond within 2 seconds."""
        async with asyncio.timeout(2), self.http.get(f"{self.serve.url}/ready") as response:
            return response.status, await response.json()

    async def becomes_ready(self, seconds: float = 5) -> None:
        """Wait until /ready succeeds in every worker."""

        async def is_ready() -> bool:
            return (await self.ready())[0] == 200

        await self._in_every_worker(is_ready, seconds)

    async def settles(self, status: str, seconds: float) -> None:
        """Wait until a create gets `status` from every worker."""

        async def has_status() -> bool:
            return bool((await self.create()).status == status)

        await self._in_every_worker(has_status, seconds)

    async def _in_every_worker(self, condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for worker in self.workers:
            with self.serve.only(worker, self.workers):
                while not await condition():
                    assert time.monotonic() < deadline, f"not in time: {self.serve.output[-5:]}"


def unavailable(**checks: str) -> tuple[int, dict[str, object]]:
    """The HTTP code and body of /ready when `checks` are not ok."""
    return 503, {"status": "unavailable", "checks": {"database": "ok", "migrations": "ok", "serving": "ok"} | checks}


NO_ANSWER = unavailable(database="no answer", migrations="unknown")
NEVER_MET = unavailable(database="no answer", migrations="unknown", serving="registry not loaded")


async def rows(postgres: Postgres, value: str) -> int:
    """How many requirements have this value."""
    async with postgres.connection() as connection:
        count: int = await connection.fetchval("SELECT count(*) FROM requirements WHERE value = $1", value)
    return count


async def execute(postgres: Postgres, statement: str) -> None:
    """Run a statement on a connection of its own."""
    async with postgres.connection() as connection:
        await connection.execute(statement)
