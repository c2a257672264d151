"""E-mails of worker processes: kills, stops, and logs without the API key."""

import asyncio
import base64
import os
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from tests.api.exchange import read_envelope
from tests.api.waiting import wait_until
from tests.factories import CREATE, AppRecord, Records, params
from tests.mail import mandrill_server as fake
from tests.mail.conftest import API_KEY, RECIPIENTS, SENDER, only
from tests.mail.mandrill_server import MandrillServer, answering
from tests.mail.outbox import EXPIRE, queue
from tests.serving.process import Serve, serving


@pytest.fixture
async def environ(database_url: str, mandrill: MandrillServer, records: Records) -> dict[str, str]:
    """Settings for two workers that send e-mails to the fake Mandrill."""
    await records.deploy()
    return {
        "DATABASE_URL": database_url,
        "WEB_CONCURRENCY": "2",
        "LOG_LEVEL": "debug",
        "REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false",
        "REQUIREMENTS__MANDRILL__API_KEY": API_KEY,
        "REQUIREMENTS__MANDRILL__RECIPIENTS": ",".join(RECIPIENTS),
        "REQUIREMENTS__MANDRILL__SENDER": SENDER,
        "REQUIREMENTS__MANDRILL__BASE_URL": mandrill.url,
        "REQUIREMENTS__MANDRILL__TIMEOUT_SECONDS": "1",
    }


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the service."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session:
        yield session


def accepting_then_waiting(release: asyncio.Event) -> fake.Behaviour:
    """Accept at once, but respond only when `release` is set."""

    async def accept(server: MandrillServer, request: web.Request, body: fake.Body) -> Any:
        answer = await answering("sent")(server, request, body)
        await release.wait()
        return answer

    return accept


async def test_a_worker_killed_before_it_stores_the_result(
    tmp_path: Path,
    environ: Mapping[str, str],
    http: aiohttp.ClientSession,
    mandrill: MandrillServer,
    connection: asyncpg.Connection,
    application: AppRecord,
    user_id: int,
) -> None:
    """If a worker is killed between sending and storing, another one sends the e-mail when the lease expires."""
    mandrill.behaviour = accepting_then_waiting(asyncio.Event())
    async with serving(tmp_path, environ={**environ, "REQUIREMENTS__MANDRILL__TIMEOUT_SECONDS": "8"}) as serve:
        workers = await serve.workers()
        asking = asyncio.create_task(http.post(f"{serve.url}{CREATE}", json=params(application.token, user_id)))
        await mandrill.arrived.wait()
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(aiohttp.ClientError):
            await asking
        mandrill.behaviour = answering("sent")
        await serve.workers(4)
        row = await only(connection, "emails")
        assert (row["state"], row["sending"], row["attempts"]) == ("pending", True, 1)
        left = await connection.fetchval("SELECT extract(epoch FROM leased_until - now()) FROM emails")
        assert 5 < left < 20
        assert len(mandrill.requests) == 1
        await connection.execute(EXPIRE)
        await wait_until(connection, "SELECT state = 'sent' FROM emails", seconds=10)
    row = await only(connection, "emails")
    assert mandrill.sent_ids == [row["id"]] * 2
    assert (row["attempts"], row["last_error"]) == (2, None)


async def test_a_stop_does_not_wait_for_a_hanging_mandrill(
    tmp_path: Path, environ: Mapping[str, str], mandrill: MandrillServer, connection: asyncpg.Connection
) -> None:
    """SIGTERM stops the service in time and leaves the e-mails pending."""
    mandrill.behaviour = fake.hang
    await queue(connection, 20)
    slow = {"REQUIREMENTS__MANDRILL__TIMEOUT_SECONDS": "60"}
    async with serving(tmp_path, environ={**environ, **slow}) as serve:
        await mandrill.arrived.wait()
        serve.process.send_signal(signal.SIGTERM)
        assert await serve.ended(12) == 0
    assert not any(line["event"] == "worker-killed" for line in serve.events)
    assert await connection.fetchval("SELECT bool_and(state = 'pending') FROM emails")


async def test_workers_share_the_retries_and_no_log_holds_the_key(
    tmp_path: Path,
    environ: Mapping[str, str],
    http: aiohttp.ClientSession,
    mandrill: MandrillServer,
    connection: asyncpg.Connection,
    application: AppRecord,
    user_id: int,
) -> None:
    """If Mandrill's errors contain the API key, every e-mail is still sent and no log contains the key."""
    mandrill.behaviour = fake.failing(500, API_KEY)
    async with serving(tmp_path, environ=environ) as serve:
        for value in (API_KEY, "gold"):
            sent = params(application.token, user_id, value=value)
            async with http.post(f"{serve.url}{CREATE}", json=sent) as response:
                assert (await read_envelope(response)).status == "mandrill-email-failed"
        mandrill.behaviour = answering("sent")
        await wait_until(connection, "SELECT bool_and(state = 'sent') FROM emails", seconds=10)
        await serve.event("email-accepted", 2)
    assert_logged_without_key(serve)
    assert len(set(mandrill.accepted)) == len(mandrill.accepted) == 4
    assert mandrill.overlaps == 0


def assert_logged_without_key(serve: Serve) -> None:
    """Assert that the log has each attempt and does not contain the API key in any form."""
    names = [line["event"] for line in serve.events]
    assert (names.count("email-not-accepted"), names.count("email-accepted")) == (2, 2)
    text = "\n".join([*serve.output, *serve.errors])
    for form in (API_KEY, base64.b64encode(API_KEY.encode()).decode().rstrip("=")):
        assert form not in text
