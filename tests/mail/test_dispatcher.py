"""Retries: to which recipients, when, how often, and from several processes at once."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Any

import asyncpg
import pytest
import sentry_sdk
from aiohttp import web

from service.config import Config
from service.database.pool import open_database
from service.mail.lifespan import open_mail
from service.observability import sentry
from tests.api.exchange import post_create
from tests.api.waiting import wait_until
from tests.conftest import Client
from tests.factories import AppRecord, params
from tests.mail import mandrill_server as fake
from tests.mail.conftest import RECIPIENTS, only
from tests.mail.mandrill_server import MandrillServer, answering, recipients_of, running
from tests.mail.outbox import END_DELAYS, EXPIRE, queue
from tests.unit.test_sentry import DSN, Captured

ALL_SENT = "SELECT bool_and(state = 'sent') FROM emails"
CLAIMED = """
SELECT count(*) > 0 FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%SKIP LOCKED%'
"""
ANN, BOB = RECIPIENTS

SOAK_CREATES = int(os.environ.get("SOAK_CREATES", "300"))


@asynccontextmanager
async def dispatching(config: Config, number: int = 1) -> AsyncIterator[None]:
    """Run `number` dispatchers, each with its own pool as in a separate process."""
    async with AsyncExitStack() as stack:
        for _ in range(number):
            database = await stack.enter_async_context(open_database(config.database, config.database.url or ""))
            await stack.enter_async_context(open_mail(database, config.mandrill))
        yield


async def without_delays(connection: asyncpg.Connection, query: str, seconds: float = 20) -> None:
    """End all retry delays until the query returns true."""
    async with asyncio.timeout(seconds):
        while not await connection.fetchval(query):
            await connection.execute(END_DELAYS)
            await asyncio.sleep(0.02)


async def test_a_failed_email_is_sent_again(
    client: Client, mandrill: MandrillServer, connection: asyncpg.Connection, application: AppRecord, user_id: int
) -> None:
    """A failed e-mail is retried after one second with the same message, until it is accepted."""
    mandrill.behaviour = fake.failing(500)
    assert (await post_create(client, params(application.token, user_id))).status == "mandrill-email-failed"
    mandrill.behaviour = answering("queued")
    await wait_until(connection, ALL_SENT)
    first, second = mandrill.requests
    assert first == second
    row = await only(connection, "emails")
    assert (row["attempts"], row["last_error"]) == (2, None)
    waited = await connection.fetchval("SELECT extract(epoch FROM sent_at - created_at) FROM emails")
    assert waited >= 1
    assert await connection.fetchval("SELECT count(*) FROM notifications") == 1


async def test_a_retry_omits_recipients_who_accepted(
    config: Config, mandrill: MandrillServer, connection: asyncpg.Connection
) -> None:
    """A retry is sent only to the recipients who have not accepted."""
    mandrill.behaviour = answering("sent", but={BOB: "rejected"})
    await queue(connection)
    async with dispatching(config):
        await wait_until(connection, "SELECT attempts = 2 AND NOT sending FROM emails")
        mandrill.behaviour = answering("sent")
        await without_delays(connection, ALL_SENT)
    assert [recipients_of(body) for body in mandrill.requests] == [[ANN, BOB], [BOB]]
    assert [address for _, address in mandrill.accepted] == [ANN, BOB]


async def test_an_email_is_dead_after_its_last_attempt(
    config: Config, mandrill: MandrillServer, connection: asyncpg.Connection
) -> None:
    """After max_attempts an e-mail is dead: one notification, one Sentry event and no further attempt."""
    mandrill.behaviour = fake.failing(500)
    transport = Captured()
    sentry.start(DSN, "tests", "1.0", transport=transport)
    await queue(connection, attempts=0)
    try:
        async with dispatching(replace(config, mandrill=replace(config.mandrill, max_attempts=3))):
            await without_delays(connection, "SELECT state = 'dead' FROM emails")
            await connection.execute(EXPIRE)
    finally:
        sentry_sdk.get_client().close()
        sentry_sdk.get_global_scope().set_client(None)
    assert len(mandrill.requests) == 3
    notification = await only(connection, "notifications")
    assert (notification["kind"], notification["message"], notification["request_id"]) == (
        "email-dead",
        "The e-mail about requirement 1 was not accepted after 3 attempts. It will not be retried.",
        None,
    )
    assert len(transport.events()) == 1


async def test_an_email_without_recipients_is_not_sent(
    config: Config, mandrill: MandrillServer, connection: asyncpg.Connection
) -> None:
    """An e-mail without recipients, written by another program, becomes dead without a request to Mandrill."""
    await queue(connection, recipients=())
    async with dispatching(replace(config, mandrill=replace(config.mandrill, max_attempts=2))):
        await without_delays(connection, "SELECT state = 'dead' FROM emails")
    assert (await only(connection, "emails"))["last_error"] == "the e-mail has no recipients"
    assert mandrill.requests == []


async def test_no_email_is_sent_twice_at_a_time(
    config: Config, mandrill: MandrillServer, connection: asyncpg.Connection
) -> None:
    """Four dispatchers on one outbox send each e-mail once."""
    ids = await queue(connection, 120)
    patient = replace(config.mandrill, timeout_seconds=30.0)
    async with dispatching(replace(config, mandrill=patient), 4):
        await wait_until(connection, ALL_SENT, seconds=30)
    assert sorted(mandrill.sent_ids) == ids
    assert mandrill.overlaps == 0


async def test_retries_leave_half_of_the_connections_to_requests(
    config: Config, mandrill: MandrillServer, connection: asyncpg.Connection
) -> None:
    """A dispatcher sends at most half of `connections` at once, however many e-mails are due."""
    release = asyncio.Event()
    mandrill.behaviour = fake.holding(release)
    await queue(connection, 20)
    slow = replace(config.mandrill, timeout_seconds=30.0, connections=6)
    async with dispatching(replace(config, mandrill=slow)):
        await wait_until(connection, "SELECT count(*) = 3 FROM emails WHERE sending")
        async with asyncio.timeout(3):
            while len(mandrill.requests) < 3:
                await asyncio.sleep(0.01)
        assert await connection.fetchval("SELECT count(*) FROM emails WHERE sending") == 3
        release.set()
        await wait_until(connection, ALL_SENT, seconds=10)


async def test_an_outage_loses_no_email(
    client: Client, mandrill: MandrillServer, connection: asyncpg.Connection, application: AppRecord, user_id: int
) -> None:
    """While Mandrill does not respond, every create is committed; afterwards every e-mail is accepted once."""
    mandrill.behaviour = fake.hang
    answers = await asyncio.gather(*(post_create(client, params(application.token, user_id)) for _ in range(40)))
    assert {answer.status for answer in answers} == {"mandrill-email-failed"}
    mandrill.behaviour = answering("sent")
    await without_delays(connection, ALL_SENT)
    assert len(mandrill.accepted) == len(set(mandrill.accepted)) == 80
    assert await connection.fetchval("SELECT count(*) FROM emails") == 40


async def test_mandrill_restarts(
    config: Config, mandrill: MandrillServer, connection: asyncpg.Connection, closed_port: int
) -> None:
    """E-mails that fail while Mandrill is down are sent once it is back at the same address."""
    settings = replace(config.mandrill, base_url=f"http://127.0.0.1:{closed_port}/api/1.0")
    await queue(connection, 10)
    async with dispatching(replace(config, mandrill=settings)):
        await wait_until(connection, "SELECT bool_and(attempts > 1 AND NOT sending) FROM emails", seconds=10)
        async with running(mandrill, closed_port):
            await without_delays(connection, ALL_SENT)
    assert len(mandrill.accepted) == 20


async def test_a_stop_waits_for_an_attempt(
    config: Config, mandrill: MandrillServer, connection: asyncpg.Connection
) -> None:
    """The result of an attempt in progress is stored before a stopping worker ends."""
    release = asyncio.Event()
    mandrill.behaviour = fake.holding(release)
    await queue(connection)
    async with dispatching(replace(config, mandrill=replace(config.mandrill, timeout_seconds=5.0))):
        await mandrill.arrived.wait()
        asyncio.get_running_loop().call_soon(release.set)
    assert (await only(connection, "emails"))["state"] == "sent"


async def test_lost_database_connections(
    config: Config, mandrill: MandrillServer, connection: asyncpg.Connection
) -> None:
    """A dispatcher whose connections are terminated opens new ones."""
    async with dispatching(config):
        for _ in range(3):
            await queue(connection)
            await wait_until(connection, ALL_SENT, seconds=5)
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    assert len(mandrill.requests) == 3


async def test_a_failing_claim_is_retried(
    config: Config, mandrill: MandrillServer, connection: asyncpg.Connection
) -> None:
    """The dispatcher claims again after a database error."""
    await queue(connection, 3)
    await connection.execute("ALTER TABLE emails RENAME TO away")
    async with dispatching(config):
        await wait_until(connection, CLAIMED)
        await connection.execute("ALTER TABLE away RENAME TO emails")
        await wait_until(connection, ALL_SENT)
    assert len(mandrill.requests) == 3


@pytest.mark.parametrize("seed", [1])
async def test_soak(
    config: Config,
    client: Client,
    mandrill: MandrillServer,
    connection: asyncpg.Connection,
    other: asyncpg.Connection,
    application: AppRecord,
    user_id: int,
    seed: int,
) -> None:
    """With random faults, each create has one e-mail, each is sent, and none is sent again once stored as accepted."""
    mandrill.behaviour = erratic(Random(seed), other)  # noqa: S311 - seeded, so that the faults are the same each time
    limit = asyncio.Semaphore(24)

    async def create() -> str:
        async with limit:
            return str((await post_create(client, params(application.token, user_id))).status)

    async with dispatching(config, 2):
        statuses = set(await asyncio.gather(*(create() for _ in range(SOAK_CREATES))))
        mandrill.behaviour = answering("sent")
        await without_delays(connection, ALL_SENT, seconds=60 + SOAK_CREATES / 10)
    assert statuses == {"action-successful", "mandrill-email-failed"}
    assert await connection.fetchval("SELECT count(*) FROM requirements") == SOAK_CREATES
    assert await connection.fetchval("SELECT count(DISTINCT requirement_id) FROM emails") == SOAK_CREATES
    assert await connection.fetchval("SELECT count(*) FROM emails") == SOAK_CREATES
    assert (mandrill.overlaps, mandrill.again) == (0, [])
    emails = await connection.fetch("SELECT id FROM emails")
    assert set(mandrill.accepted) == {(row["id"], address) for row in emails for address in RECIPIENTS}


def erratic(random: Random, connection: asyncpg.Connection) -> fake.Behaviour:
    """A Mandrill with random faults. It records e-mails sent to a recipient that the outbox has as accepted."""
    faults = [
        fake.failing(500),
        fake.failing(429),
        fake.redirect,
        fake.saying("{}"),
        fake.hang_up,
        answering("sent", but={ANN: "rejected"}),
        answering("queued", but={BOB: "invalid"}),
    ]
    lock = asyncio.Lock()

    async def answer(server: MandrillServer, request: web.Request, body: fake.Body) -> Any:
        async with lock:
            accepted = await connection.fetchval("SELECT accepted FROM emails WHERE id = $1", fake.id_of(body))
        if set(accepted) & set(recipients_of(body)):
            server.again.append(fake.id_of(body))
        chosen = random.choice(faults) if random.random() < 0.4 else answering(random.choice(["sent", "scheduled"]))
        return await chosen(server, request, body)

    return answer
