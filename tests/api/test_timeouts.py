"""Creates that exceed the request timeout, and callers that disconnect during a create."""

import asyncio
import contextlib
from dataclasses import replace

import asyncpg
import pytest

from service.api.app import create_app
from service.config import Config
from tests.api.exchange import post_create
from tests.api.waiting import wait_for_lock_waiters, wait_until
from tests.conftest import AppClient, Client
from tests.factories import CREATE, AppRecord, Records, params

IS_STORED = "SELECT count(*) = 1 FROM requirements"

# The first blocks the batch statement; the second makes the create wait in a statement of its own.
LOCKS = ["LOCK TABLE requirements IN SHARE MODE", "SELECT FROM users FOR UPDATE"]


@pytest.mark.parametrize("lock", LOCKS)
async def test_a_create_that_times_out_is_unknown(
    config: Config,
    records: Records,
    application: AppRecord,
    user_id: int,
    aiohttp_client: AppClient,
    other: asyncpg.Connection,
    lock: str,
) -> None:
    """A create that times out has the outcome unknown, never none: here it commits later."""
    await records.deploy()
    impatient = replace(
        config,
        server=replace(config.server, request_timeout_seconds=0.5),
        database=replace(config.database, lock_timeout_seconds=5.0, statement_timeout_seconds=5.0),
    )
    client = await aiohttp_client(create_app(impatient))
    async with other.transaction():
        await other.execute(lock)
        response = await post_create(client, params(application.token, user_id))
        assert (response.status, response.outcome) == ("application-crash", "unknown")
        assert "Retry-After" not in response.headers
        assert await records.count() == 0
    await wait_until(records.connection, IS_STORED)


@pytest.mark.parametrize("lock", LOCKS)
async def test_a_disconnect_stops_no_write(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection, lock: str
) -> None:
    """A create whose statement has started commits, even if its caller disconnects."""
    async with other.transaction():
        await other.execute(lock)
        task = asyncio.create_task(client.post(CREATE, json=params(application.token, user_id)))
        await wait_for_lock_waiters(records.connection)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await wait_until(records.connection, IS_STORED)
