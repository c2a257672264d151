"""The service while its database is stopped, killed, paused, full or locked, and after."""

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
    """One service for all these tests: what one of them does to the database must not show in the next."""
    async with serving(place, environ=QUICK | {"DATABASE_URL": postgres.url}) as serve:
        yield Caller(http, serve, await serve.workers(), demo)


@pytest.fixture
async def caller(running: Caller, postgres: Postgres) -> Caller:
    """A caller of the service, each worker of which is ready."""
    await execute(postgres, "UPDATE routes SET deployed_at = now() WHERE deployed_at IS NULL")
    await running.becomes_ready()
    await running.settles("action-successful", 5)
    return running


NOTHING_WRITTEN, MAYBE_WRITTEN = ("none", "1"), ("unknown", None)


async def crashes(caller: Caller, outcome: tuple[str, str | None] = NOTHING_WRITTEN) -> None:
    """Whatever token is sent, the answer is a crash within the budget, and pings answer at once meanwhile.

    `outcome` is what the crash tells of the write, and of trying again.
    """
    began = time.monotonic()
    asked = asyncio.gather(*(caller.create("away", token) for token in [None, "nobody's"] * 4))
    pings = [await caller.ping() for _ in range(10)]
    answers = await asked
    assert time.monotonic() - began < BUDGET_SECONDS + 0.8
    assert [answer.code_and_body for answer in answers] == [CRASH] * 8
    assert {(answer.outcome, answer.headers.get("Retry-After")) for answer in answers} == {outcome}
    assert sorted(pings)[5] < 0.05
    assert max(pings) < 1
    assert await caller.ready() == NO_ANSWER


async def recovers(caller: Caller) -> None:
    """The first request of each worker succeeds, within a second, without a restart of anything."""
    for worker in caller.workers:
        with caller.serve.only(worker, caller.workers):
            began = time.monotonic()
            assert (await caller.create("back")).status == "action-successful"
            assert time.monotonic() - began < 1
    assert (await caller.create("back", "nobody's")).code_and_body == refusal(InvalidToken)


async def test_stopped(caller: Caller, postgres: Postgres) -> None:
    """A stopped database is a crash, never a bad token; the first request after its return succeeds."""
    await postgres.stop()
    await crashes(caller)
    await postgres.start()
    await recovers(caller)
    assert await rows(postgres, "away") == 0


async def test_killed(caller: Caller, postgres: Postgres) -> None:
    """The same for a postmaster that is killed."""
    await postgres.kill()
    await crashes(caller)
    await postgres.start()
    await recovers(caller)
    assert await rows(postgres, "away") == 0


async def test_paused(caller: Caller, postgres: Postgres) -> None:
    """The same for a database that stands still with every connection open: what it was sent it may do yet."""
    before = await rows(postgres, "away")
    with postgres.paused():
        await crashes(caller, MAYBE_WRITTEN)
    await recovers(caller)
    assert await rows(postgres, "away") - before <= 4
    await execute(postgres, "DELETE FROM requirements WHERE value = 'away'")


async def test_restarted_between_two_requests(caller: Caller, postgres: Postgres) -> None:
    """A restart nobody noticed costs no request: dead connections of the pool are replaced."""
    await postgres.stop()
    await postgres.start()
    await recovers(caller)


async def test_the_last_good_registry_serves_meanwhile(caller: Caller, postgres: Postgres) -> None:
    """What was withdrawn before the database went away stays withdrawn."""
    await execute(postgres, "UPDATE routes SET deployed_at = NULL")
    await caller.settles("route-not-found", 1)
    await postgres.stop()
    assert (await caller.create()).status == "route-not-found"
    await postgres.start()
    await execute(postgres, "UPDATE routes SET deployed_at = now()")
    await caller.settles("action-successful", 5)


async def test_a_registry_change_reaches_every_worker(caller: Caller, postgres: Postgres) -> None:
    """Plain SQL of another process counts within a second, in each worker."""
    await execute(postgres, "UPDATE services SET deployed_at = NULL")
    await caller.settles("service-not-found", 1)
    await execute(postgres, "UPDATE services SET deployed_at = now()")
    await caller.settles("action-successful", 1)


END_LISTENERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'requirements-service registry'
"""


async def test_a_change_counts_when_the_listeners_are_gone(caller: Caller, postgres: Postgres) -> None:
    """With the LISTEN connections terminated, a change still arrives within five seconds."""
    await execute(postgres, END_LISTENERS)
    await execute(postgres, "UPDATE routes SET deployed_at = NULL")
    await caller.settles("route-not-found", 5)
    await execute(postgres, "UPDATE routes SET deployed_at = now()")
    await caller.settles("action-successful", 1)


async def test_a_change_counts_when_its_notification_is_lost(caller: Caller, postgres: Postgres) -> None:
    """Without any notification, a change arrives within five seconds."""
    quietly = "BEGIN; SET LOCAL session_replication_role = replica; UPDATE routes SET deployed_at = {}; COMMIT"
    await execute(postgres, quietly.format("NULL"))
    await caller.settles("route-not-found", 5)
    await execute(postgres, quietly.format("now()"))
    await caller.settles("action-successful", 5)


async def take_all(postgres: Postgres, others: contextlib.AsyncExitStack) -> None:
    """Open connections until the server has no more."""
    while True:
        await others.enter_async_context(postgres.connection())


async def test_no_connection_is_left(caller: Caller, postgres: Postgres) -> None:
    """With all connections of the server taken by others, nothing is written and the caller may retry."""
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
    """While another transaction locks the table out, more requests than there are connections crash, none for long."""
    values = [f"locked {number}" for number in range(40)]
    async with postgres.connection() as other, other.transaction():
        await other.execute("LOCK TABLE requirements")
        began = time.monotonic()
        answers = await asyncio.gather(*map(caller.create, values))
        assert time.monotonic() - began < BUDGET_SECONDS + 0.8
        assert [answer.code_and_body for answer in answers] == [CRASH] * 40
    await recovers(caller)
    for value, answer in zip(values, answers, strict=True):
        assert await rows(postgres, value) <= {"none": 0, "unknown": 1}[str(answer.outcome)]


async def test_started_before_the_database(
    postgres: Postgres, demo: Demo, place: Path, http: aiohttp.ClientSession
) -> None:
    """Without the database it starts, unready, and becomes ready by itself; only then is anything identified."""
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


async def test_migrations_found_pending_at_first_contact(
    postgres: Postgres, demo: Demo, place: Path, http: aiohttp.ClientSession
) -> None:
    """It stays unready and the log says why; once they are applied it serves."""
    url = postgres.url.replace("/requirements", "/later")
    await execute(postgres, "CREATE DATABASE later")
    await postgres.stop()
    async with serving(place, environ=QUICK | {"DATABASE_URL": url, "WEB_CONCURRENCY": "1"}) as serve:
        caller = Caller(http, serve, await serve.workers(1), demo)
        await postgres.start()
        names = ", ".join(map(str, load_migrations(resource("sql") / "migrations")))
        reason = f"migrations are pending ({names}): run `requirements-service migrate`"
        # Before that a server that just starts may have said so.
        await until(lambda: reason in [line.get("reason") for line in serve.events])
        assert await caller.ready() == unavailable(migrations="pending", serving="registry not loaded")
        assert (await caller.create()).code_and_body == refusal(IdentifyRequestError)
        connection = await asyncpg.connect(url)
        await migrate(connection, load_migrations(resource("sql") / "migrations"))
        await connection.close()
        await caller.settles("route-not-found", 5)
        await caller.becomes_ready()


async def test_a_database_that_will_never_do_is_refused(postgres: Postgres, place: Path) -> None:
    """One that can be reached and is not there by that name ends the start with one line."""
    async with started(place, environ={"DATABASE_URL": postgres.url.replace("/requirements", "/none")}) as serve:
        assert await serve.ended() == 1
    assert serve.errors == ['requirements-service: the database cannot be reached: database "none" does not exist']
