"""A reload of nginx under load loses no create."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sized

import aiohttp
import asyncpg

from tests.factories import AppRecord, params
from tests.gateway.nginx import Gateway
from tests.gateway.requests import as_json, send
from tests.serving.process import until

RELOADS = 5
CALLERS = 4

ROW_COUNTS = "SELECT value, count(*) FROM requirements WHERE starts_with(value, $1) GROUP BY value"


@contextlib.asynccontextmanager
async def reloading(nginx: Gateway, sent: Sized) -> AsyncIterator[asyncio.Event]:
    """Reload a few times, each time after more has been `sent`; the event is set after the last reload."""
    done = asyncio.Event()

    async def reload() -> None:
        for _ in range(RELOADS):
            before = len(sent)
            await nginx.reload()
            await until(lambda: len(sent) > before)  # noqa: B023 - awaited within this iteration
        done.set()

    task = asyncio.create_task(reload())
    yield done
    await task


async def row_counts(connection: asyncpg.Connection, run: str) -> dict[str, int]:
    """The number of rows for each value that starts with `run`."""
    return {row["value"]: row["count"] for row in await connection.fetch(ROW_COUNTS, run)}


async def test_new_connections(
    http: aiohttp.ClientSession, nginx: Gateway, connection: asyncpg.Connection, application: AppRecord, user_id: int
) -> None:
    """On new connections every create succeeds and is stored once."""
    run = secrets.token_hex()
    sent: list[str] = []

    async def call(caller: int, done: asyncio.Event) -> None:
        while not done.is_set():
            sent.append(value := f"{run} {caller} {len(sent)}")
            response = await send(http, nginx.url, as_json(params(application.token, user_id, value=value)))
            assert (response.code, response.headers["Requirement-Outcome"]) == (200, "created")

    async with reloading(nginx, sent) as done:
        await asyncio.gather(*(call(caller, done) for caller in range(CALLERS)))
    assert len(sent) > RELOADS
    assert await row_counts(connection, run) == dict.fromkeys(sent, 1)


async def test_keep_alive_connections(
    nginx: Gateway, connection: asyncpg.Connection, application: AppRecord, user_id: int
) -> None:
    """On keep-alive connections, which nginx closes once each, a retry with the key stores every create once."""
    run = secrets.token_hex()
    sent: list[str] = []

    async def create(http: aiohttp.ClientSession, value: str) -> None:
        request = as_json(params(application.token, user_id, value=value), **{"Idempotency-Key": value})
        try:
            response = await send(http, nginx.url, request)
        except aiohttp.ClientConnectionError:  # nginx closed the connection while the request was in flight
            response = await send(http, nginx.url, request)
        assert response.code == 200

    async def call(caller: int, done: asyncio.Event) -> None:
        async with aiohttp.ClientSession() as http:
            while not done.is_set():
                sent.append(value := f"{run} {caller} {len(sent)}")
                await create(http, value)

    async with reloading(nginx, sent) as done:
        await asyncio.gather(*(call(caller, done) for caller in range(CALLERS)))
    assert len(sent) > RELOADS
    assert await row_counts(connection, run) == dict.fromkeys(sent, 1)
