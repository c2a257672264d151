"""More requests than may wait for the database: those over the limit are refused early, and a retry is safe."""

import asyncio
from dataclasses import replace

import asyncpg

from service.api import keys
from service.api.app import create_app
from service.config import Config
from service.domain.statuses import Overloaded
from tests.api.exchange import post_create, refusal
from tests.conftest import AppClient
from tests.factories import AppRecord, Records, params

WAITING = 4


async def test_one_more_than_may_wait_is_refused_at_once(
    config: Config,
    records: Records,
    application: AppRecord,
    user_id: int,
    aiohttp_client: AppClient,
    other: asyncpg.Connection,
) -> None:
    """While as many wait for a locked table as may, one more is refused; once it is free, they are all recorded."""
    await records.deploy()
    app = create_app(replace(config, server=replace(config.server, max_waiting=WAITING)))
    client = await aiohttp_client(app)
    sent = params(application.token, user_id)
    async with other.transaction():
        await other.execute("LOCK TABLE requirements")
        waiting = [asyncio.create_task(post_create(client, sent)) for _ in range(WAITING)]
        async with asyncio.timeout(5):
            while app[keys.RECORDER].outstanding < WAITING:
                await asyncio.sleep(0)
        answer = await post_create(client, sent)
        assert not any(task.done() for task in waiting)
    assert (answer.code_and_body, answer.outcome, answer.headers["Retry-After"]) == (refusal(Overloaded), "none", "1")
    assert [answer.outcome for answer in await asyncio.gather(*waiting)] == ["created"] * WAITING
    assert await records.count() == WAITING
