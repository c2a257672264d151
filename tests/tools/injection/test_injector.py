"""The injector and its ledger can fail: what a service must not do is done on purpose, and seen."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tests.tools.injection.conftest import SetStage
from tests.tools.injection.faults import DEADLOCK, RESET, TOO_MANY, Fault, Moment, Strike
from tests.tools.injection.stage import Stage

Change = Callable[[web.StreamResponse], Awaitable[None]]

COPY = """
INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, key, value)
SELECT required_type, required_id, requireable_type, requireable_id, key, value FROM requirements
WHERE value LIKE 'case%'
"""


def changing(change: Change) -> Middleware:
    """A service that does something to its answers."""

    @web.middleware
    async def changed(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        await change(response)
        return response

    return changed


async def strike_each(stage: Stage, fault: Fault, moment: Moment) -> str:
    """Everything found wrong with one fault at each operation."""
    found: list[str] = []
    number = 0
    while (wrong := await stage.play(Strike(fault, moment, (number := number + 1), lasting=True))) is not None:
        found += wrong
    return "\n".join(found)


async def test_an_unknown_outcome_told_as_none_is_seen(set_stage: SetStage) -> None:
    """A committed write whose caller is told that nothing was written is a violation."""

    async def lie(response: web.StreamResponse) -> None:
        if response.headers.get("Requirement-Outcome") == "unknown":
            response.headers["Requirement-Outcome"] = "none"

    stage = await set_stage(caller="application", outermost=changing(lie), request_seconds=0.3)
    assert "500 application-crash none: 1 rows" in await strike_each(stage, RESET, Moment.AFTER)


async def test_a_write_done_twice_is_seen(set_stage: SetStage, connection: asyncpg.Connection) -> None:
    """Two rows of one request are a violation."""

    async def double(_: web.StreamResponse) -> None:
        await connection.execute(COPY)

    stage = await set_stage(caller="application", outermost=changing(double))
    assert "200 action-successful created: 2 rows" in "".join(await stage.play(Strike(RESET, Moment.BEFORE, 1)) or [])


async def test_a_fault_told_as_a_bad_token_is_seen(set_stage: SetStage) -> None:
    """A database's fault never becomes the caller's."""

    async def blame(response: web.StreamResponse) -> None:
        if response.status == 500:
            assert isinstance(response, web.Response)
            assert isinstance(response.body, bytes)
            response.body = response.body.replace(b"application-crash", b"invalid-token")

    stage = await set_stage(caller="application", outermost=changing(blame))
    assert "told by another status" in await strike_each(stage, TOO_MANY, Moment.BEFORE)


async def test_a_connection_that_is_not_given_back_is_seen(
    set_stage: SetStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place that is kept after a fault is a leak."""
    stage = await set_stage(caller="application")
    with monkeypatch.context() as patched:
        patched.setattr(asyncio.Semaphore, "release", lambda _: None)
        found = "\n".join(await stage.play(Strike(DEADLOCK, Moment.BEFORE, 1)) or [])
    assert "a semaphore at" in found
