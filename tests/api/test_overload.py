"""More requests than may wait for the database: the excess is refused early, and may be retried."""

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

MAX_WAITING = 4


async def test_a_request_over_the_limit_is_refused_at_once(
    config: Config,
    records: Records,
    application: AppRecord,
    user_id: int,
    aiohttp_client: AppClient,
    other: asyncpg.Connection,
) -> None:
    """With `max_waiting` creates waiting for a locked table the next one is refused; the others succeed later."""
    await records.deploy()
    app = create_app(replace(config, server=replace(config.server, max_waiting=MAX_WAITING)))
    client = await aiohttp_client(app)
    sent = params(application.token, user_id)
    async with other.transaction():
        await other.execute("LOCK TABLE requirements")
        waiting = [asyncio.create_task(post_create(client, sent)) for _ in range(MAX_WAITING)]
        async with asyncio.timeout(5):
            while app[keys.WRITER].outstanding < MAX_WAITING:
                await asyncio.sleep(0)
        response = await post_create(client, sent)
        assert not any(task.done() for task in waiting)
    assert (response.code_and_body, response.outcome, response.headers["Retry-After"]) == (
        refusal(Overloaded),
        "none",
        "1",
    )
    assert [response.outcome for response in await asyncio.gather(*waiting)] == ["created"] * MAX_WAITING
    assert await records.count() == MAX_WAITING
