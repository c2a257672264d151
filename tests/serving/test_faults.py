"""The service while its database is stopped, killed, suspended, out of connections or locked, and afterwards."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from service.domain.statuses import IdentifyRequestError, InvalidToken
from service.storage.demo import Demo
from tests.api.exchange import refusal
from tests.serving.calling import BUDGET_SECONDS, CRASH, NEVER_MET, NO_ANSWER, QUICK, Caller, execute, rows, unavailable
from tests.serving.postgres import Postgres
from tests.serving.process import serving, started, until


@pytest.fixture(scope="module")
async def running(postgres: Postgres, demo: Demo, place: Path, http: aiohttp.ClientSession) -> AsyncIterator[Caller]:
    """One service for all these tests: what a test does to the database must not affect the next one."""
    async with serving(place, environ=QUICK | {"DATABASE_URL": postgres.url}) as serve:
        yield Caller(http, serve, await serve.workers(), demo)


@pytest.fixture
async def caller(running: Caller, postgres: Postgres) -> Caller:
    """A caller of the service, once every worker is ready."""
    await execute(postgres, "UPDATE routes SET deployed_at = now() WHERE deployed_at IS NULL")
    await running.becomes_ready()
    await running.settles("action-successful", 5)
    return running


NOTHING_WRITTEN, MAYBE_WRITTEN = ("none", "1"), ("unknown", None)


async def crashes(caller: Caller, outcome: tuple[str, str | None] = NOTHING_WRITTEN) -> None:
    """Assert that every create crashes within the request timeout, whatever its token, while pings stay fast.

    `outcome` is the crash's Requirement-Outcome and Retry-After.
    """
    started_at = time.monotonic()
    creates = asyncio.gather(*(caller.create("away", token) for token in [None, "nobody's"] * 4))
    pings = [await caller.ping() for _ in range(10)]
    answers = await creates
    assert time.monotonic() - started_at < BUDGET_SECONDS + 0.8
    assert [answer.code_and_body for answer in answers] == [CRASH] * 8
    assert {(answer.outcome, answer.headers.get("Retry-After")) for answer in answers} == {outcome}
    assert sorted(pings)[5] < 0.05
    assert max(pings) < 1
    assert await caller.ready() == NO_ANSWER


async def recovers(caller: Caller) -> None:
    """Assert that the first request to each worker succeeds within a second, without a restart."""
    for worker in caller.workers:
        with caller.serve.only(worker, caller.workers):
            started_at = time.monotonic()
            assert (await caller.create("back")).status == "action-successful"
            assert time.monotonic() - started_at < 1
    assert (await caller.create("back", "nobody's")).code_and_body == refusal(InvalidToken)


async def test_stopped(caller: Caller, postgres: Postgres) -> None:
    """While the database is stopped, creates crash and no token is invalid. The first request afterwards succeeds."""
    await postgres.stop()
    await crashes(caller)
    await postgres.start()
    await recovers(caller)
    assert await rows(postgres, "away") == 0


async def test_killed(caller: Caller, postgres: Postgres) -> None:
    """The same applies to a killed postmaster."""
    await postgres.kill()
    await crashes(caller)
    await postgres.start()
    await recovers(caller)
    assert await rows(postgres, "away") == 0


async def test_paused(caller: Caller, postgres: Postgres) -> None:
    """The same applies to a suspended database with open connections, which may still run what it was sent."""
    before = await rows(postgres, "away")
    with postgres.paused():
        await crashes(caller, MAYBE_WRITTEN)
    await recovers(caller)
    assert await rows(postgres, "away") - before <= 4
    await execute(postgres, "DELETE FROM requirements WHERE value = 'away'")


async def test_restarted_between_two_requests(caller: Caller, postgres: Postgres) -> None:
    """A restart of the idle database fails no request: the pool replaces dead connections."""
    await postgres.stop()
    await postgres.start()
    await recovers(caller)


async def test_the_last_loaded_registry_is_used(caller: Caller, postgres: Postgres) -> None:
    """A route that was withdrawn before the database stopped stays withdrawn."""
    await execute(postgres, "UPDATE routes SET deployed_at = NULL")
    await caller.settles("route-not-found", 1)
    await postgres.stop()
    assert (await caller.create()).status == "route-not-found"
    await postgres.start()
    await execute(postgres, "UPDATE routes SET deployed_at = now()")
    await caller.settles("action-successful", 5)


async def test_a_registry_change_reaches_every_worker(caller: Caller, postgres: Postgres) -> None:
    """A change by SQL of another process takes effect in each worker within a second."""
    await execute(postgres, "UPDATE services SET deployed_at = NULL")
    await caller.settles("service-not-found", 1)
    await execute(postgres, "UPDATE services SET deployed_at = now()")
    await caller.settles("action-successful", 1)


END_LISTENERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'requirements-service registry'
"""


async def test_a_change_takes_effect_without_listeners(caller: Caller, postgres: Postgres) -> None:
    """After the LISTEN connections are terminated, a change takes effect within five seconds."""
    await execute(postgres, END_LISTENERS)
    await execute(postgres, "UPDATE routes SET deployed_at = NULL")
    await caller.settles("route-not-found", 5)
    await execute(postgres, "UPDATE routes SET deployed_at = now()")
    await caller.settles("action-successful", 1)


async def test_a_change_takes_effect_without_its_notification(caller: Caller, postgres: Postgres) -> None:
    """Without a notification, a change takes effect within five seconds."""
    without_triggers = "BEGIN; SET LOCAL session_replication_role = replica; UPDATE routes SET deployed_at = {}; COMMIT"
    await execute(postgres, without_triggers.format("NULL"))
    await caller.settles("route-not-found", 5)
    await execute(postgres, without_triggers.format("now()"))
    await caller.settles("action-successful", 5)


async def take_all(postgres: Postgres, others: contextlib.AsyncExitStack) -> None:
    """Open connections until the server refuses more."""
    while True:
        await others.enter_async_context(postgres.connection())


async def test_no_connection_is_left(caller: Caller, postgres: Postgres) -> None:
    """While others use every connection of the server, nothing is written and the caller may retry."""
    async with contextlib.AsyncExitStack() as others:
        first = await others.enter_async_context(postgres.connection())
        await first.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'requirements%'"
        )
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await take_all(postgres, others)
        await crashes(caller)
    await recovers(caller)
    assert await rows(postgres, "away") == 0


async def test_the_table_is_locked(caller: Caller, postgres: Postgres) -> None:
    """While the table is locked, more requests than there are connections all crash within the request timeout."""
    values = [f"locked {number}" for number in range(40)]
    async with postgres.connection() as other, other.transaction():
        await other.execute("LOCK TABLE requirements")
        started_at = time.monotonic()
        answers = await asyncio.gather(*map(caller.create, values))
        assert time.monotonic() - started_at < BUDGET_SECONDS + 0.8
        assert [answer.code_and_body for answer in answers] == [CRASH] * 40
    await recovers(caller)
    for value, answer in zip(values, answers, strict=True):
        assert await rows(postgres, value) <= {"none": 0, "unknown": 1}[str(answer.outcome)]


async def test_started_before_the_database(
    postgres: Postgres, demo: Demo, place: Path, http: aiohttp.ClientSession
) -> None:
    """It starts without the database, unready, and becomes ready when the database does."""
    url = postgres.url
    await postgres.stop()
    async with serving(place, environ=QUICK | {"DATABASE_URL": url}) as serve:
        caller = Caller(http, serve, await serve.workers(), demo)
        assert (await caller.create()).code_and_body == refusal(IdentifyRequestError)
        assert await caller.ready() == NEVER_MET
        assert await caller.ping() < 0.5
        await postgres.start()
        await caller.becomes_ready()
        await caller.settles("action-successful", 2)
    assert serve.errors == []


async def test_migrations_found_pending_at_the_first_connection(
    postgres: Postgres, demo: Demo, place: Path, http: aiohttp.ClientSession
) -> None:
    """It stays unready and logs the reason. After the migrations are applied, it serves."""
    url = postgres.url.replace("/requirements", "/later")
    await execute(postgres, "CREATE DATABASE later")
    await postgres.stop()
    async with serving(place, environ=QUICK | {"DATABASE_URL": url, "WEB_CONCURRENCY": "1"}) as serve:
        caller = Caller(http, serve, await serve.workers(1), demo)
        await postgres.start()
        names = ", ".join(map(str, load_migrations(resource("sql") / "migrations")))
        reason = f"migrations are pending ({names}): run `requirements-service migrate`"
        # A server that is still starting may have caused another reason before.
        await until(lambda: reason in [line.get("reason") for line in serve.events])
        assert await caller.ready() == unavailable(migrations="pending", serving="registry not loaded")
        assert (await caller.create()).code_and_body == refusal(IdentifyRequestError)
        connection = await asyncpg.connect(url)
        await migrate(connection, load_migrations(resource("sql") / "migrations"))
        await connection.close()
        await caller.settles("route-not-found", 5)
        await caller.becomes_ready()


async def test_a_missing_database_is_refused(postgres: Postgres, place: Path) -> None:
    """If the server is available but has no database of that name, the start fails with one line."""
    async with started(place, environ={"DATABASE_URL": postgres.url.replace("/requirements", "/none")}) as serve:
        assert await serve.ended() == 1
    assert serve.errors == ['requirements-service: the database cannot be reached: database "none" does not exist']
