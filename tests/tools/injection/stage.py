"""A service whose every operation can be made to fail, and callers who ask it in the usual ways."""

import asyncio
import gc
import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tests.api.exchange import IDEMPOTENCY_KEY, ApiResponse, post_create
from tests.conftest import Client
from tests.factories import params
from tests.tools.injection.faults import Strike
from tests.tools.injection.injector import Injector
from tests.tools.injection.ledger import GONE, ROWS, Exchange, Leaks, summary, violations

PATIENCE_SECONDS = 10.0
NEIGHBOURS = 3

# A statement that was prepared, and then failed on our side, is no longer under way: the server waits for the next.
IDLE = """
SELECT count(*) = 0 FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'requirements-service'
    AND state <> 'idle' AND NOT (state = 'active' AND wait_event = 'ClientRead')
"""


class Doorkeeper:
    """Stands before everything: knows the task and the connection of every request under way."""

    def __init__(self) -> None:
        self.inside: dict[str, tuple[asyncio.Task[Any] | None, asyncio.Transport | None]] = {}
        self.entered = 0

    def middleware(self) -> Middleware:
        """What lets a request in, and remembers it while it is there."""

        @web.middleware
        async def doorkeeper(request: web.Request, handler: Handler) -> web.StreamResponse:
            name = request.headers.get("X-Request-ID", "")
            self.inside[name] = (asyncio.current_task(), request.transport)
            self.entered += 1
            try:
                return await handler(request)
            finally:
                del self.inside[name]

        return doorkeeper

    def cancel(self, name: str) -> None:
        """Cancel a request, if it is still under way."""
        task, _ = self.inside.get(name, (None, None))
        if task is not None:
            task.cancel()

    def hang_up(self, name: str) -> None:
        """End the connection that a request came by."""
        _, transport = self.inside.get(name, (None, None))
        if transport is not None:
            transport.abort()


@dataclass
class Stage:
    """One kind of caller of one service."""

    client: Client
    injector: Injector
    doorkeeper: Doorkeeper
    connection: asyncpg.Connection
    token: str
    user_id: int
    keyed: bool = False
    emails: bool = False
    neighbours: bool = False
    cold: bool = False
    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)
    _numbers: Any = field(default_factory=itertools.count)
    _leaks: Leaks = field(init=False)
    _tasks: set[Any] = field(init=False)

    async def begin(self) -> None:
        """Ask once, then remember what there is while nothing goes on."""
        before = set(asyncio.all_tasks())
        wrong = await self._plain() + await self._quiet(before)
        assert not wrong, wrong
        self._leaks = Leaks([it for it in gc.get_objects() if isinstance(it, asyncio.Semaphore)])
        self._tasks = set(asyncio.all_tasks())

    async def play(self, strike: Strike) -> list[str] | None:
        """What went wrong with a request under this strike, and after it; None once the strike found no operation."""
        name = f"case-{next(self._numbers)}"
        if self.cold:
            await self._lose_connections()
        exchanges = await self._strike(strike, name)
        if not self.injector.struck:
            return None
        self.cases += 1
        self.places.update(place.value for place in self.injector.struck[:1])
        self.outcomes[exchanges[-1].told] += 1
        found = await self._settle()
        for exchange in exchanges:
            found += await self._judged(exchange, strike)
        return [f"{strike} ({self.injector.struck[0].value}): {it}" for it in found + await self._plain()]

    async def _strike(self, strike: Strike, name: str) -> list[Exchange]:
        """The exchanges of everybody that asked at once; the last is the one whose request is disturbed."""
        names = [f"{name}-{number}" for number in range(NEIGHBOURS)] * self.neighbours + [name]
        self.injector.cancel = lambda: self.doorkeeper.cancel(name)
        self.injector.hang_up = lambda: self.doorkeeper.hang_up(name)
        self.injector.arm(strike)
        if self.neighbours:
            until = self.doorkeeper.entered + len(names)
            self.injector.begin = lambda: self._all_inside(until)
        try:
            return list(await asyncio.gather(*map(self._ask, names)))
        finally:
            self.injector.disarm()

    async def _all_inside(self, number: int) -> None:
        """Everybody's statements go together once the first one's is held up until all are there."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.doorkeeper.entered < number:
                await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)

    async def _ask(self, name: str) -> Exchange:
        headers = {"X-Request-ID": name} | ({IDEMPOTENCY_KEY: name} if self.keyed else {})
        try:
            return Exchange(name, await post_create(self.client, params(self.token, self.user_id, value=name), headers))
        except GONE:
            return Exchange(name, None)

    async def _judged(self, exchange: Exchange, strike: Strike) -> list[str]:
        rows = await self.connection.fetch(ROWS, exchange.marker)
        found = violations(exchange, rows, strike.fault, emails=self.emails)
        if self.keyed:
            found += await self._repeated(exchange, rows)
        return [f"{exchange.marker} {summary(exchange)}: {it}" for it in found]

    async def _repeated(self, exchange: Exchange, rows: list[asyncpg.Record]) -> list[str]:
        """Asking again under the same key gives the one record, whatever became of the first attempt."""
        again = await self._ask(exchange.marker)
        after = await self.connection.fetch(ROWS, exchange.marker)
        if again.told != "ok" or len(after) != 1 or (rows and after[0]["id"] != rows[0]["id"]):
            return [f"asked again: {summary(again)}, {len(after)} rows"]
        assert isinstance(again.answer, ApiResponse)
        right = "replayed" if rows else "created"
        return [] if again.answer.outcome == right else [f"asked again: {again.answer.outcome}, not {right}"]

    async def _plain(self) -> list[str]:
        """What is wrong with the next request, which nothing disturbs."""
        exchange = await self._ask(f"plain-{next(self._numbers)}")
        rows = await self.connection.fetch(ROWS, exchange.marker)
        right = exchange.told == "ok" and len(rows) == 1 and rows[0]["emails"] == self.emails
        return [] if right else [f"next request: {summary(exchange)}, {len(rows)} rows"]

    async def _settle(self) -> list[str]:
        """What is still held, or still going on, once everything has had its time to end."""
        running = await self._quiet(self._tasks)
        return [*(f"still running: {it}" for it in running), *self._leaks.found(list(self.injector.pools))]

    async def _quiet(self, known: set[Any]) -> list[str]:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while self.doorkeeper.inside or _others(known):
                    await asyncio.sleep(0.001)
                while not await self.connection.fetchval(IDLE):
                    await asyncio.sleep(0.001)
        except TimeoutError:
            return [*map(str, _others(known)), *self.doorkeeper.inside, "or a statement"]
        return []

    async def _lose_connections(self) -> None:
        """Have every connection to the database end, as it does when the server restarts, and be seen to."""
        protocols = list(self.injector.protocols)
        await self.connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'requirements-service'"
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            while any(protocol.is_connected() for protocol in protocols):
                await asyncio.sleep(0.001)


def _others(known: set[Any]) -> list[str]:
    """The tasks that are none of those `known`, and serve no connection that is merely open."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks() - known if task is not asyncio.current_task()]
    names = [getattr(coroutine, "__qualname__", "") for coroutine in coroutines]
    return [name for name in names if name != "RequestHandler.start"]
