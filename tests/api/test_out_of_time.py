"""Creates whose time is up while the database is still at them, and callers that leave meanwhile."""

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

IS_THERE = "SELECT count(*) = 1 FROM requirements"

# What holds a create up: while it shares its statement with others, and once it waits alone.
HOLDING = ["LOCK TABLE requirements IN SHARE MODE", "SELECT FROM users FOR UPDATE"]


@pytest.mark.parametrize("holding", HOLDING)
async def test_nobody_knows_yet(
    config: Config,
    records: Records,
    application: AppRecord,
    user_id: int,
    aiohttp_client: AppClient,
    other: asyncpg.Connection,
    holding: str,
) -> None:
    """A create that is out of time is told as unknown, never as none: here it is carried out after all."""
    await records.deploy()
    hasty = replace(
        config,
        server=replace(config.server, request_timeout_seconds=0.5),
        database=replace(config.database, lock_timeout_seconds=5.0, statement_timeout_seconds=5.0),
    )
    client = await aiohttp_client(create_app(hasty))
    async with other.transaction():
        await other.execute(holding)
        answer = await post_create(client, params(application.token, user_id))
        assert (answer.status, answer.outcome) == ("application-crash", "unknown")
        assert "Retry-After" not in answer.headers
        assert await records.count() == 0
    await wait_until(records.connection, IS_THERE)


@pytest.mark.parametrize("holding", HOLDING)
async def test_a_caller_that_leaves_stops_no_write(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection, holding: str
) -> None:
    """Once its statement is under way a create is carried out, whoever is there to be told."""
    async with other.transaction():
        await other.execute(holding)
        asking = asyncio.create_task(client.post(CREATE, json=params(application.token, user_id)))
        await wait_for_lock_waiters(records.connection)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
    await wait_until(records.connection, IS_THERE)
