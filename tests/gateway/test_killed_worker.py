"""A worker is killed during a create: the outcome is unknown, and nginx does not send the create again."""

import asyncio
import os
import secrets
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from tests.api.waiting import wait_for_lock_waiters, wait_until
from tests.databases import connected
from tests.factories import AppRecord, params
from tests.gateway.nginx import Gateway, gateway
from tests.gateway.requests import HttpRequest, HttpResponse, as_json, send
from tests.serving.process import Serve, alive

DESTROY = "/api/v1/requirements/destroy"

# With this change of the shipped configuration nginx sends a create twice.
SABOTAGE = {"proxy_next_upstream error timeout;": "proxy_next_upstream error timeout non_idempotent;"}

KillDuring = Callable[..., Awaitable[HttpResponse]]

HOLD_USER = "SELECT FROM users WHERE id = $1 FOR UPDATE"
HOLD_REQUIREMENT = "SELECT FROM requirements WHERE id = $1 FOR UPDATE"

SENT_AGAIN = """
SELECT count(*) > 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""

NO_STATEMENT_RUNS = """
SELECT count(*) = 0 FROM pg_stat_activity
WHERE datname = current_database() AND (wait_event_type = 'Lock' OR state = 'active') AND pid <> pg_backend_pid()
"""


async def workers(serve: Serve) -> list[int]:
    """The pids of both workers, once two are running."""
    count = 2
    while len(found := [pid for pid in await serve.workers(count) if alive(pid)]) < 2:
        count += 1
    return found


@pytest.fixture
async def kill_during(
    http: aiohttp.ClientSession, serve: Serve, gateway_database: str, connection: asyncpg.Connection, user_id: int
) -> KillDuring:
    """A function that sends a create through an nginx and kills its worker while the statement waits.

    The request uses a keep-alive connection to the service: on such nginx would send it again if it were allowed to.
    """

    async def kill_during(
        nginx: Gateway, sent: HttpRequest, hold: str = HOLD_USER, held_id: int = user_id
    ) -> HttpResponse:
        killed, other = await workers(serve)
        async with connected(gateway_database) as holder, holder.transaction():
            await holder.execute(hold, held_id)
            with serve.only(killed, [killed, other]):
                assert (await send(http, nginx.url, HttpRequest(method="GET", path="/ping"))).code == 200
                task = asyncio.create_task(send(http, nginx.url, sent))
                await wait_for_lock_waiters(connection)
            os.kill(killed, signal.SIGKILL)
            async with asyncio.timeout(5):
                while not task.done() and not await connection.fetchval(SENT_AGAIN):
                    await asyncio.sleep(0.01)
        return await task

    return kill_during


async def rows(connection: asyncpg.Connection, value: str) -> int:
    """The number of requirements with this value, once no running statement can add one."""
    await wait_until(connection, NO_STATEMENT_RUNS, seconds=10)
    count: int = await connection.fetchval("SELECT count(*) FROM requirements WHERE value = $1", value)
    return count


async def test_never_twice(
    nginx: Gateway, kill_during: KillDuring, connection: asyncpg.Connection, application: AppRecord, user_id: int
) -> None:
    """Without a key the outcome is unknown, there is no Retry-After, and there is at most one row."""
    value = secrets.token_hex()
    response = await kill_during(nginx, as_json(params(application.token, user_id, value=value)))
    assert await rows(connection, value) <= 1
    assert (response.code, response.body["status"]) == (500, "application-crash")
    assert response.headers["Requirement-Outcome"] == "unknown"
    assert "Retry-After" not in response.headers


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_destroy_is_not_sent_again(
    http: aiohttp.ClientSession,
    nginx: Gateway,
    kill_during: KillDuring,
    application: AppRecord,
    user_id: int,
    method: str,
) -> None:
    """A destroy whose worker is lost is unknown by either method: a second one would say that there is no such id."""
    made = await send(http, nginx.url, as_json(params(application.token, user_id)))
    made_id = made.body["data"]["id"]
    sent = replace(as_json({"token": application.token, "id": made_id}), method=method, path=DESTROY)
    response = await kill_during(nginx, sent, HOLD_REQUIREMENT, made_id)
    assert (response.body["status"], response.headers["Requirement-Outcome"]) == ("application-crash", "unknown")


async def test_a_retry_returns_the_row(
    http: aiohttp.ClientSession,
    nginx: Gateway,
    kill_during: KillDuring,
    connection: asyncpg.Connection,
    application: AppRecord,
    user_id: int,
) -> None:
    """With a key the response has Retry-After, and a retry returns the only row."""
    value = secrets.token_hex()
    sent = as_json(params(application.token, user_id, value=value), **{"Idempotency-Key": value})
    lost = await kill_during(nginx, sent)
    assert (lost.headers["Requirement-Outcome"], lost.headers["Retry-After"]) == ("unknown", "1")
    again = await send(http, nginx.url, sent)
    assert (again.code, again.body["data"]["value"]) == (200, value)
    assert await rows(connection, value) == 1


async def test_a_second_send_is_detected(
    serve: Serve,
    tmp_path: Path,
    kill_during: KillDuring,
    connection: asyncpg.Connection,
    application: AppRecord,
    user_id: int,
) -> None:
    """With `non_idempotent` in the configuration the same kill creates two rows."""
    value = secrets.token_hex()
    sent = as_json(params(application.token, user_id, value=value))
    async with gateway(tmp_path, serve.url, SABOTAGE) as nginx:
        assert (await kill_during(nginx, sent)).code == 200
    assert await rows(connection, value) == 2
