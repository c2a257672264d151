"""The database's reply to a write is lost: the response agrees with the table."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from service.domain.statuses import IdentifyRequestError
from service.storage.demo import Demo
from tests.api.exchange import refusal
from tests.proxy import Proxy, proxied
from tests.serving.calling import CRASH, NEVER_MET, NO_ANSWER, QUICK, Caller, rows
from tests.serving.postgres import Postgres
from tests.serving.process import serving


@pytest.fixture(scope="module")
async def proxy(postgres: Postgres) -> AsyncIterator[Proxy]:
    """A proxy to the database."""
    async with proxied(postgres.url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
async def caller(proxy: Proxy, demo: Demo, place: Path, http: aiohttp.ClientSession) -> AsyncIterator[Caller]:
    """A caller of a service that connects to its database through the proxy."""
    async with serving(place, environ=QUICK | {"DATABASE_URL": proxy.url}) as serve:
        yield Caller(http, serve, await serve.workers(), demo)


@pytest.mark.parametrize("losses", [1, 2, 5])
async def test_the_write_is_run_again(caller: Caller, proxy: Proxy, postgres: Postgres, losses: int) -> None:
    """When the reply is lost, the statement is retried on another connection, with one row as the result."""
    value = f"lost {losses} times"
    proxy.lost = 0
    proxy.lose_replies(value, losses)
    answer = await caller.create(value)
    assert (answer.status, answer.outcome, answer.data["value"]) == ("action-successful", "created", value)
    assert (proxy.lost, await rows(postgres, value)) == (losses, 1)


async def test_the_outcome_is_unknown(caller: Caller, proxy: Proxy, postgres: Postgres) -> None:
    """When the database is disconnected after the write, the outcome is unknown. Here, the row exists."""
    proxy.lose_replies("cut off", 1, close=True)
    answer = await caller.create("cut off")
    assert (answer.code_and_body, answer.outcome, answer.headers.get("Retry-After")) == (CRASH, "unknown", None)
    assert await caller.ready() == NO_ANSWER
    proxy.closed = False
    assert (await caller.create("back")).status == "action-successful"
    assert await rows(postgres, "cut off") == 1


async def test_a_database_that_accepts_and_never_responds(place: Path, demo: Demo, http: aiohttp.ClientSession) -> None:
    """A database that accepts connections and never responds makes /ready fail within two seconds."""
    with socket.create_server(("127.0.0.1", 0)) as hole:
        url = f"postgresql://someone@127.0.0.1:{hole.getsockname()[1]}/nothing"
        async with serving(place, environ=QUICK | {"DATABASE_URL": url}) as serve:
            caller = Caller(http, serve, await serve.workers(), demo)
            assert await caller.ready() == NEVER_MET
            assert (await caller.create()).code_and_body == refusal(IdentifyRequestError)
            assert await serve.stop() == 0
