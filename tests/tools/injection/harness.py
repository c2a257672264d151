"""Send requests to a service whose operations can be made to fail, and check the consequences."""

import asyncio
import gc
import itertools
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tests.api.exchange import IDEMPOTENCY_KEY, ApiResponse, read_envelope
from tests.conftest import Client
from tests.tools.injection.calls import Call, CallKind, Owner, State
from tests.tools.injection.checks import CONNECTION_ERRORS, Exchange, Leaks, may_be_late, summary, violations
from tests.tools.injection.faults import Injection
from tests.tools.injection.injector import Injector

TIMEOUT_SECONDS = 10.0
CONCURRENT_REQUESTS = 3

# A statement that was prepared and then failed in the client is idle: the server waits for the next message.
IDLE = """
SELECT count(*) = 0 FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'requirements-service'
    AND state <> 'idle' AND NOT (state = 'active' AND wait_event = 'ClientRead')
"""


class RequestTracker:
    """Middleware that knows the task and connection of every request in flight."""

    def __init__(self) -> None:
        self.in_flight: dict[str, tuple[asyncio.Task[Any] | None, asyncio.Transport | None]] = {}
        self.entered = 0

    def middleware(self) -> Middleware:
        """Return the middleware."""

        @web.middleware
        async def tracker(request: web.Request, handler: Handler) -> web.StreamResponse:
            name = request.headers.get("X-Request-ID", "")
            self.in_flight[name] = (asyncio.current_task(), request.transport)
            self.entered += 1
            try:
                return await handler(request)
            finally:
                del self.in_flight[name]

        return tracker

    def cancel(self, name: str) -> None:
        """Cancel a request if it is in flight."""
        task, _ = self.in_flight.get(name, (None, None))
        if task is not None:
            task.cancel()

    def disconnect(self, name: str) -> None:
        """Close the connection of a request."""
        _, transport = self.in_flight.get(name, (None, None))
        if transport is not None:
            transport.abort()


@dataclass
class Harness:
    """One service with one kind of caller and one kind of call."""

    client: Client
    injector: Injector
    tracker: RequestTracker
    connection: asyncpg.Connection
    token: str
    owner: Owner
    kind: CallKind
    keyed: bool = False
    emails: bool = False
    concurrent: bool = False
    cold: bool = False
    attempts: int = 1  # at a call without a fault: with short timeouts, one may be late on a busy machine
    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    _calls: dict[str, Call] = field(default_factory=dict)
    _numbers: Any = field(default_factory=itertools.count)
    _leaks: Leaks = field(init=False)
    _tasks: set[Any] = field(init=False)

    async def begin(self) -> None:
        """Send one request, then record the idle state."""
        before = set(asyncio.all_tasks())
        problems = await self._check_next_request() + await self._wait_idle(before)
        assert not problems, problems
        self._leaks = Leaks([it for it in gc.get_objects() if isinstance(it, asyncio.Semaphore)])
        self._tasks = set(asyncio.all_tasks())

    async def run_case(self, injection: Injection) -> list[str] | None:
        """Return what went wrong during and after this injection; None if no operation matched it."""
        name = f"case-{next(self._numbers)}"
        if self.cold:
            await self._close_connections()
        exchanges = await self._send_all(injection, name)
        if not self.injector.injected:
            return None
        self.cases += 1
        self.operations.update(operation.value for operation in self.injector.injected[:1])
        self.outcomes[exchanges[-1].outcome] += 1
        found = await self._check_idle()
        for exchange in exchanges:
            found += await self._check_exchange(exchange, injection)
        return [
            f"{injection} ({self.injector.injected[0].value}): {it}" for it in found + await self._check_next_request()
        ]

    async def _send_all(self, injection: Injection, name: str) -> list[Exchange]:
        """Send all concurrent requests and return their exchanges. The fault is injected into the last one."""
        names = [f"{name}-{number}" for number in range(CONCURRENT_REQUESTS)] * self.concurrent + [name]
        for one in names:
            await self._prepare(one)
        self.injector.cancel = lambda: self.tracker.cancel(name)
        self.injector.disconnect = lambda: self.tracker.disconnect(name)
        self.injector.arm(injection)
        if self.concurrent:
            until = self.tracker.entered + len(names)
            self.injector.begin = lambda: self._wait_all_in_flight(until)
        try:
            return list(await asyncio.gather(*map(self._ask, names)))
        finally:
            self.injector.disarm()

    async def _wait_all_in_flight(self, number: int) -> None:
        """Delay the first statement until all requests are in flight, so that they share a batch."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while self.tracker.entered < number:
                await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)

    async def _prepare(self, name: str) -> None:
        call = Call(self.connection, self.owner, name)
        self._calls[name] = replace(call, params=await self.kind.prepare(call))

    async def _ask(self, name: str) -> Exchange:
        headers = {"X-Request-ID": name} | ({IDEMPOTENCY_KEY: name} if self.keyed else {})
        params = {"token": self.token, **self._calls[name].params}
        asking = self.client.request(self.kind.method, self.kind.path, json=params, headers=headers)
        try:
            return Exchange(name, await read_envelope(await asking))
        except CONNECTION_ERRORS:
            return Exchange(name, None)

    async def _ask_and_look(self, name: str) -> tuple[Exchange, State]:
        return await self._ask(name), await self._state(name)

    async def _state(self, name: str) -> State:
        return await self.kind.state(self._calls[name])

    async def _check_exchange(self, exchange: Exchange, injection: Injection) -> list[str]:
        state = await self._state(exchange.marker)
        found = violations(exchange, self.kind, state, injection.fault, emails=self.emails, keyed=self.keyed)
        if self.keyed:
            found += await self._check_retry(exchange, state)
        return [f"{exchange.marker} {summary(exchange)}: {it}" for it in found]

    async def _check_retry(self, exchange: Exchange, before: State) -> list[str]:
        """A retry with the same key must return what was done once, whatever the first attempt's outcome."""
        again, after = await self._ask_and_look(exchange.marker)
        for _ in range(self.attempts - 1):
            if not may_be_late(again, self.kind, after):
                break
            before = after
            again, after = await self._ask_and_look(exchange.marker)
        if again.outcome != "ok" or after.carried_out != 1 or (before.carried_out and after.data != before.data):
            return [f"retry: {summary(again)}, carried out {after.carried_out} times"]
        assert isinstance(again.answer, ApiResponse)
        expected = "replayed" if before.carried_out else self.kind.done
        return [] if again.answer.outcome == expected else [f"retry: {again.answer.outcome}, not {expected}"]

    async def _check_next_request(self) -> list[str]:
        """Return what is wrong with the next request, which has no fault."""
        for _ in range(self.attempts):
            await self._prepare(name := f"plain-{next(self._numbers)}")
            exchange, state = await self._ask_and_look(name)
            if not may_be_late(exchange, self.kind, state):
                break
        done = state.carried_out == (1 if self.kind.done else 0) and not state.problems
        expected = exchange.outcome == "ok" and done and all(count == self.emails for count in state.emails)
        return [] if expected else [f"next request: {summary(exchange)}, carried out {state.carried_out} times"]

    async def _check_idle(self) -> list[str]:
        """Return the tasks and resources still in use after the timeout."""
        running = await self._wait_idle(self._tasks)
        return [*(f"still running: {it}" for it in running), *self._leaks.found(list(self.injector.pools))]

    async def _wait_idle(self, known: set[Any]) -> list[str]:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while self.tracker.in_flight or _unknown_tasks(known):
                    await asyncio.sleep(0.001)
                while not await self.connection.fetchval(IDLE):
                    await asyncio.sleep(0.001)
        except TimeoutError:
            return [*map(str, _unknown_tasks(known)), *self.tracker.in_flight, "or a statement"]
        return []

    async def _close_connections(self) -> None:
        """Terminate all connections to the database, and wait until the client notices."""
        protocols = list(self.injector.protocols)
        await self.connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'requirements-service'"
        )
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while any(protocol.is_connected() for protocol in protocols):
                await asyncio.sleep(0.001)


def _unknown_tasks(known: set[Any]) -> list[str]:
    """Return the tasks not in `known`, without those that serve an idle connection."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks() - known if task is not asyncio.current_task()]
    names = [getattr(coroutine, "__qualname__", "") for coroutine in coroutines]
    return [name for name in names if name != "RequestHandler.start"]
