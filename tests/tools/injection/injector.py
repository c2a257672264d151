"""Inject faults where a request awaits I/O: in the database driver and in Mandrill's HTTP client."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp
import pytest
from asyncpg import connect_utils
from asyncpg.pool import Pool
from asyncpg.protocol.protocol import Protocol

from service.config.resources import resource
from service.database.queries import QUERIES
from tests.tools.injection.faults import Action, Injection, Moment, Operation

Run = Callable[[], Awaitable[Any]]

STATEMENTS = ("prepare", "bind", "bind_execute", "bind_execute_many", "execute", "query")

# Background statements of the workers, which belong to no request: of the registry, and of the checks at the start.
_CHECKS = re.findall(r"^-- name: (\w+)$", (resource("sql") / "queries" / "checks.sql").read_text("utf-8"), re.MULTILINE)
BACKGROUND = frozenset(QUERIES[name] for name in ("load_registry", *_CHECKS))


class Injector:
    """Count operations, and inject a fault once or persistently. `patch` installs it."""

    def __init__(self) -> None:
        self.pools: set[Any] = set()
        self.protocols: set[Any] = set()
        self.cancel: Callable[[], object] = lambda: None
        self.disconnect: Callable[[], object] = lambda: None
        self.begin: Callable[[], Awaitable[object]] | None = None  # awaited before the first statement
        self.limit_seconds = 1.0  # longer than any timeout of an operation
        self.injection: Injection | None = None
        self.injected: list[Operation] = []
        self.counted: list[Operation] = []

    def arm(self, injection: Injection) -> None:
        """Start counting operations for this injection."""
        self.injection, self.injected, self.counted = injection, [], []

    def disarm(self) -> None:
        """Stop injecting faults."""
        self.injection = self.begin = None

    async def intercept(self, operation: Operation, run: Run) -> Any:
        """Run an operation, or make it fail."""
        injection = self.injection
        if injection is None:
            return await run()
        if operation is Operation.STATEMENT and self.begin is not None:
            begin, self.begin = self.begin, None
            await begin()
        if injection.moment not in injection.fault.moments(operation) or not self._is_due(injection, operation):
            return await run()
        self.injected.append(operation)
        return await self._inject(injection, operation, run)

    def _is_due(self, injection: Injection, operation: Operation) -> bool:
        if self.injected and not injection.persistent:
            return False
        self.counted.append(operation)
        return len(self.counted) >= injection.number

    async def _inject(self, injection: Injection, operation: Operation, run: Run) -> Any:
        action, moment = injection.fault.action, injection.moment
        if action in (Action.CANCEL, Action.DISCONNECT):
            return await self._interrupt(self.cancel if action is Action.CANCEL else self.disconnect, moment, run)
        if moment is Moment.AFTER:
            _discard(operation, await run())
        if action is Action.SLOW:
            async with asyncio.timeout(self.limit_seconds):
                await asyncio.Event().wait()
        raise injection.fault.error()

    async def _interrupt(self, interrupt: Callable[[], object], moment: Moment, run: Run) -> Any:
        if moment is Moment.BEFORE:
            interrupt()
            await asyncio.sleep(0)
        elif moment is Moment.DURING:
            asyncio.get_running_loop().call_soon(interrupt)
        result = await run()
        if moment is Moment.AFTER:
            interrupt()
        return result

    def patch(self, monkeypatch: pytest.MonkeyPatch, mandrill_url: str) -> None:
        """Patch all database operations of this process, and requests to `mandrill_url`."""
        for name in STATEMENTS:
            monkeypatch.setattr(Protocol, name, self._statement(getattr(Protocol, name)))
        monkeypatch.setattr(connect_utils, "_connect", self._connect(vars(connect_utils)["_connect"]))
        monkeypatch.setattr(Pool, "_acquire", self._of_pool(Operation.ACQUIRE, Pool._acquire))  # type: ignore[attr-defined]  # noqa: SLF001
        monkeypatch.setattr(Pool, "release", self._of_pool(Operation.RELEASE, Pool.release))
        monkeypatch.setattr(aiohttp.ClientSession, "_request", self._post(mandrill_url))

    def _statement(self, real: Any) -> Any:
        def statement(protocol: Any, *args: Any, **kwargs: Any) -> Any:
            if self.injection is None or _background([*args, *kwargs.values()]):
                return real(protocol, *args, **kwargs)
            self.protocols.add(protocol)
            return self.intercept(Operation.STATEMENT, lambda: real(protocol, *args, **kwargs))

        return statement

    def _connect(self, real: Any) -> Any:
        return lambda **kwargs: self.intercept(Operation.CONNECT, lambda: real(**kwargs))

    def _of_pool(self, operation: Operation, real: Any) -> Any:
        def patched(pool: Any, *args: Any, **kwargs: Any) -> Any:
            self.pools.add(pool)
            return self.intercept(operation, lambda: real(pool, *args, **kwargs))

        return patched

    def _post(self, mandrill_url: str) -> Any:
        real = aiohttp.ClientSession._request  # noqa: SLF001

        def request(session: Any, method: str, url: Any, **kwargs: Any) -> Any:
            if not str(url).startswith(mandrill_url):
                return real(session, method, url, **kwargs)
            return self.intercept(Operation.POST, lambda: real(session, method, url, **kwargs))

        return request


def _background(args: Sequence[Any]) -> bool:
    """Return whether an argument is a background statement, as text or prepared."""
    texts = (getattr(arg, "query", arg) for arg in args[:2])
    return any(isinstance(text, str) and text in BACKGROUND for text in texts)


def _discard(operation: Operation, result: Any) -> None:
    """Discard the result of an operation."""
    if operation is Operation.CONNECT:
        result.terminate()
    elif operation is Operation.POST:
        result.close()
