"""The harness detects each kind of wrong behaviour."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tests.tools.injection.conftest import MakeHarness
from tests.tools.injection.faults import DEADLOCK, RESET, TOO_MANY, Fault, Injection, Moment
from tests.tools.injection.harness import Harness

Change = Callable[[web.StreamResponse], Awaitable[None]]

COPY = """
INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, key, value)
SELECT required_type, required_id, requireable_type, requireable_id, key, value FROM requirements
WHERE value LIKE 'case%'
"""


def changing(change: Change) -> Middleware:
    """Return a middleware that calls `change` with each response."""

    @web.middleware
    async def changed(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        await change(response)
        return response

    return changed


async def inject_each(harness: Harness, fault: Fault, moment: Moment) -> str:
    """Return everything found wrong with one fault at each operation."""
    found: list[str] = []
    number = 0
    while (
        problems := await harness.run_case(Injection(fault, moment, (number := number + 1), persistent=True))
    ) is not None:
        found += problems
    return "\n".join(found)


async def test_an_unknown_outcome_reported_as_none_is_detected(make_harness: MakeHarness) -> None:
    """A committed write reported as not written is a violation."""

    async def misreport(response: web.StreamResponse) -> None:
        if response.headers.get("Requirement-Outcome") == "unknown":
            response.headers["Requirement-Outcome"] = "none"

    harness = await make_harness(caller="application", outermost=changing(misreport), request_seconds=0.3)
    assert "500 application-crash none: carried out 1 times" in await inject_each(harness, RESET, Moment.AFTER)


async def test_a_duplicate_write_is_detected(make_harness: MakeHarness, connection: asyncpg.Connection) -> None:
    """Two rows for one request are a violation."""

    async def duplicate_row(_: web.StreamResponse) -> None:
        await connection.execute(COPY)

    harness = await make_harness(caller="application", outermost=changing(duplicate_row))
    assert "200 action-successful created: carried out 2 times" in "".join(
        await harness.run_case(Injection(RESET, Moment.BEFORE, 1)) or []
    )


async def test_a_fault_told_as_a_bad_token_is_seen(make_harness: MakeHarness) -> None:
    """A database error reported as the caller's error is a violation."""

    async def misreport_status(response: web.StreamResponse) -> None:
        if response.status == 500:
            assert isinstance(response, web.Response)
            assert isinstance(response.body, bytes)
            response.body = response.body.replace(b"application-crash", b"invalid-token")

    harness = await make_harness(caller="application", outermost=changing(misreport_status))
    assert "unexpected status" in await inject_each(harness, TOO_MANY, Moment.BEFORE)


async def test_a_connection_that_is_not_given_back_is_seen(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection or semaphore not released after a fault is a leak."""
    harness = await make_harness(caller="application")
    with monkeypatch.context() as patched:
        patched.setattr(asyncio.Semaphore, "release", lambda _: None)
        found = "\n".join(await harness.run_case(Injection(DEADLOCK, Moment.BEFORE, 1)) or [])
    assert "a semaphore at" in found
