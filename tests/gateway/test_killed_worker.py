"""A worker is killed over a create: nobody knows the outcome, and nginx never runs the create again."""

import asyncio
import os
import secrets
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from tests.api.waiting import until, waiting
from tests.databases import connected
from tests.factories import AppRecord, params
from tests.gateway.comparing import Got, Sent, as_json, send
from tests.gateway.nginx import Gateway, gateway
from tests.serving.process import Serve, alive

# One line of the shipped configuration, by which the tests below would see a create twice.
SABOTAGE = {"proxy_next_upstream error timeout;": "proxy_next_upstream error timeout non_idempotent;"}

KillOver = Callable[[Gateway, Sent], Awaitable[Got]]

SENT_AGAIN = """
SELECT count(*) > 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""

NOBODY_WAITS = """
SELECT count(*) = 0 FROM pg_stat_activity
WHERE datname = current_database() AND (wait_event_type = 'Lock' OR state = 'active') AND pid <> pg_backend_pid()
"""


async def workers(serve: Serve) -> list[int]:
    """The pids of both workers, once there are two."""
    count = 2
    while len(found := [pid for pid in await serve.workers(count) if alive(pid)]) < 2:
        count += 1
    return found


@pytest.fixture
async def kill_over(
    http: aiohttp.ClientSession, serve: Serve, gateway_database: str, connection: asyncpg.Connection, user_id: int
) -> KillOver:
    """Gives the answer to a create through some nginx whose worker is killed while its statement waits.

    It is sent on a connection that nginx has kept: on such nginx would send it again, if it was allowed to.
    """

    async def kill_over(nginx: Gateway, sent: Sent) -> Got:
        doomed, other = await workers(serve)
        async with connected(gateway_database) as holder, holder.transaction():
            await holder.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", user_id)
            with serve.only(doomed, [doomed, other]):
                assert (await send(http, nginx.url, Sent(method="GET", path="/ping"))).code == 200
                asked = asyncio.create_task(send(http, nginx.url, sent))
                await waiting(connection)
            os.kill(doomed, signal.SIGKILL)
            async with asyncio.timeout(5):
                while not asked.done() and not await connection.fetchval(SENT_AGAIN):
                    await asyncio.sleep(0.01)
        return await asked

    return kill_over


async def rows(connection: asyncpg.Connection, value: str) -> int:
    """How many requirements hold this value, once no statement is under way that may add one."""
    await until(connection, NOBODY_WAITS, seconds=10)
    count: int = await connection.fetchval("SELECT count(*) FROM requirements WHERE value = $1", value)
    return count


async def test_never_twice(
    nginx: Gateway, kill_over: KillOver, connection: asyncpg.Connection, application: AppRecord, user_id: int
) -> None:
    """Without a key: the outcome is unknown, no time for a retry is told, and at most one row comes of it."""
    value = secrets.token_hex()
    answer = await kill_over(nginx, as_json(params(application.token, user_id, value=value)))
    assert await rows(connection, value) <= 1
    assert (answer.code, answer.body["status"]) == (500, "application-crash")
    assert answer.headers["Requirement-Outcome"] == "unknown"
    assert "Retry-After" not in answer.headers


async def test_a_retry_finds_it(
    http: aiohttp.ClientSession,
    nginx: Gateway,
    kill_over: KillOver,
    connection: asyncpg.Connection,
    application: AppRecord,
    user_id: int,
) -> None:
    """With a key: the answer asks for a retry, and after that there is exactly one row, which it tells."""
    value = secrets.token_hex()
    sent = as_json(params(application.token, user_id, value=value), **{"Idempotency-Key": value})
    lost = await kill_over(nginx, sent)
    assert (lost.headers["Requirement-Outcome"], lost.headers["Retry-After"]) == ("unknown", "1")
    again = await send(http, nginx.url, sent)
    assert (again.code, again.body["data"]["value"]) == (200, value)
    assert await rows(connection, value) == 1


async def test_the_fault_would_be_seen(
    serve: Serve,
    tmp_path: Path,
    kill_over: KillOver,
    connection: asyncpg.Connection,
    application: AppRecord,
    user_id: int,
) -> None:
    """With `non_idempotent` in that one line, the same kill makes two rows of one create."""
    value = secrets.token_hex()
    sent = as_json(params(application.token, user_id, value=value))
    async with gateway(tmp_path, serve.url, SABOTAGE) as nginx:
        assert (await kill_over(nginx, sent)).code == 200
    assert await rows(connection, value) == 2
