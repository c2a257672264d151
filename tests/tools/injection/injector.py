"""Where a request waits for I/O: the driver of the database, and the client of Mandrill. Nothing of the service's."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp
import pytest
from asyncpg import connect_utils
from asyncpg.pool import Pool
from asyncpg.protocol.protocol import Protocol

from service.config.resources import resource
from tests.tools.injection.faults import Act, Moment, Place, Strike

Run = Callable[[], Awaitable[Any]]

STATEMENTS = ("prepare", "bind", "bind_execute", "bind_execute_many", "execute", "query")

# What workers do by themselves, whoever asks for what.
BACKGROUND = tuple((resource("sql") / "queries" / name).read_text("utf-8") for name in ("registry.sql", "checks.sql"))


class Injector:
    """Counts what is waited for, and strikes once or from then on. `patch` puts it in place."""

    def __init__(self) -> None:
        self.pools: set[Any] = set()
        self.protocols: set[Any] = set()
        self.cancel: Callable[[], object] = lambda: None
        self.hang_up: Callable[[], object] = lambda: None
        self.begin: Callable[[], Awaitable[object]] | None = None  # waited for by the first statement
        self.limit_seconds = 1.0  # longer than anybody waits for an operation
        self.strike: Strike | None = None
        self.struck: list[Place] = []
        self.passed: list[Place] = []

    def arm(self, strike: Strike) -> None:
        """Begin to count."""
        self.strike, self.struck, self.passed = strike, [], []

    def disarm(self) -> None:
        """Let everything pass."""
        self.strike = self.begin = None

    async def around(self, place: Place, run: Run) -> Any:
        """Run an operation, or have it fail."""
        strike = self.strike
        if strike is None:
            return await run()
        if place is Place.STATEMENT and self.begin is not None:
            begin, self.begin = self.begin, None
            await begin()
        if strike.moment not in strike.fault.moments(place) or not self._due(strike, place):
            return await run()
        self.struck.append(place)
        return await self._fail(strike, place, run)

    def _due(self, strike: Strike, place: Place) -> bool:
        if self.struck and not strike.lasting:
            return False
        self.passed.append(place)
        return len(self.passed) >= strike.number

    async def _fail(self, strike: Strike, place: Place, run: Run) -> Any:
        act, moment = strike.fault.act, strike.moment
        if act in (Act.CANCEL, Act.HANG_UP):
            return await self._disturb(self.cancel if act is Act.CANCEL else self.hang_up, moment, run)
        if moment is Moment.AFTER:
            _drop(place, await run())
        if act is Act.SLOW:
            async with asyncio.timeout(self.limit_seconds):
                await asyncio.Event().wait()
        raise strike.fault.error()

    async def _disturb(self, disturb: Callable[[], object], moment: Moment, run: Run) -> Any:
        if moment is Moment.BEFORE:
            disturb()
            await asyncio.sleep(0)
        elif moment is Moment.DURING:
            asyncio.get_running_loop().call_soon(disturb)
        result = await run()
        if moment is Moment.AFTER:
            disturb()
        return result

    def patch(self, monkeypatch: pytest.MonkeyPatch, mandrill_url: str) -> None:
        """Stand around every operation of this process, in the driver and in what is sent to `mandrill_url`."""
        for name in STATEMENTS:
            monkeypatch.setattr(Protocol, name, self._statement(getattr(Protocol, name)))
        monkeypatch.setattr(connect_utils, "_connect", self._connect(vars(connect_utils)["_connect"]))
        monkeypatch.setattr(Pool, "_acquire", self._of_pool(Place.ACQUIRE, Pool._acquire))  # type: ignore[attr-defined]  # noqa: SLF001
        monkeypatch.setattr(Pool, "release", self._of_pool(Place.RELEASE, Pool.release))
        monkeypatch.setattr(aiohttp.ClientSession, "_request", self._post(mandrill_url))

    def _statement(self, real: Any) -> Any:
        def statement(protocol: Any, *args: Any, **kwargs: Any) -> Any:
            if self.strike is None or _background([*args, *kwargs.values()]):
                return real(protocol, *args, **kwargs)
            self.protocols.add(protocol)
            return self.around(Place.STATEMENT, lambda: real(protocol, *args, **kwargs))

        return statement

    def _connect(self, real: Any) -> Any:
        return lambda **kwargs: self.around(Place.CONNECT, lambda: real(**kwargs))

    def _of_pool(self, place: Place, real: Any) -> Any:
        def operation(pool: Any, *args: Any, **kwargs: Any) -> Any:
            self.pools.add(pool)
            return self.around(place, lambda: real(pool, *args, **kwargs))

        return operation

    def _post(self, mandrill_url: str) -> Any:
        real = aiohttp.ClientSession._request  # noqa: SLF001

        def request(session: Any, method: str, url: Any, **kwargs: Any) -> Any:
            if not str(url).startswith(mandrill_url):
                return real(session, method, url, **kwargs)
            return self.around(Place.POST, lambda: real(session, method, url, **kwargs))

        return request


def _background(args: Sequence[Any]) -> bool:
    """Whether one of these is a statement that is nobody's: in full, or prepared."""
    texts = [getattr(arg, "query", arg) for arg in args[:2]]
    return any(isinstance(text, str) and len(text) > 20 and any(text in all_ for all_ in BACKGROUND) for text in texts)


def _drop(place: Place, result: Any) -> None:
    """What was obtained is lost to everybody."""
    if place is Place.CONNECT:
        result.terminate()
    elif place is Place.POST:
        result.close()
