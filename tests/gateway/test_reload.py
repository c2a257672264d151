"""A reload of nginx under load loses nothing."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sized

import aiohttp
import asyncpg

from tests.factories import AppRecord, params
from tests.gateway.comparing import as_json, send
from tests.gateway.nginx import Gateway
from tests.serving.process import until

RELOADS = 5
CALLERS = 4

LEDGER = "SELECT value, count(*) FROM requirements WHERE starts_with(value, $1) GROUP BY value"


@contextlib.asynccontextmanager
async def reloading(nginx: Gateway, sent: Sized) -> AsyncIterator[asyncio.Event]:
    """Reload a few times meanwhile, each time with more `sent`; the event is set when that is done."""
    done = asyncio.Event()

    async def reload() -> None:
        for _ in range(RELOADS):
            before = len(sent)
            await nginx.reload()
            await until(lambda: len(sent) > before)  # noqa: B023 - it is over within this round
        done.set()

    task = asyncio.create_task(reload())
    yield done
    await task


async def ledger(connection: asyncpg.Connection, run: str) -> dict[str, int]:
    """How many rows there are of each value that begins so."""
    return {row["value"]: row["count"] for row in await connection.fetch(LEDGER, run)}


async def test_fresh_connections(
    http: aiohttp.ClientSession, nginx: Gateway, connection: asyncpg.Connection, application: AppRecord, user_id: int
) -> None:
    """On fresh connections every create succeeds, and is there once."""
    run = secrets.token_hex()
    sent: list[str] = []

    async def call(caller: int, done: asyncio.Event) -> None:
        while not done.is_set():
            sent.append(value := f"{run} {caller} {len(sent)}")
            answer = await send(http, nginx.url, as_json(params(application.token, user_id, value=value)))
            assert (answer.code, answer.headers["Requirement-Outcome"]) == (200, "created")

    async with reloading(nginx, sent) as done:
        await asyncio.gather(*(call(caller, done) for caller in range(CALLERS)))
    assert len(sent) > RELOADS
    assert await ledger(connection, run) == dict.fromkeys(sent, 1)


async def test_kept_connections(
    nginx: Gateway, connection: asyncpg.Connection, application: AppRecord, user_id: int
) -> None:
    """On kept connections, each of which nginx closes once, a retry with the key makes every create be there once."""
    run = secrets.token_hex()
    sent: list[str] = []

    async def create(http: aiohttp.ClientSession, value: str) -> None:
        asked = as_json(params(application.token, user_id, value=value), **{"Idempotency-Key": value})
        try:
            answer = await send(http, nginx.url, asked)
        except aiohttp.ClientConnectionError:  # nginx closed the connection while the request was on its way
            answer = await send(http, nginx.url, asked)
        assert answer.code == 200

    async def call(caller: int, done: asyncio.Event) -> None:
        async with aiohttp.ClientSession() as http:
            while not done.is_set():
                sent.append(value := f"{run} {caller} {len(sent)}")
                await create(http, value)

    async with reloading(nginx, sent) as done:
        await asyncio.gather(*(call(caller, done) for caller in range(CALLERS)))
    assert len(sent) > RELOADS
    assert await ledger(connection, run) == dict.fromkeys(sent, 1)
