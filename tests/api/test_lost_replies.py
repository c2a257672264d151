"""A create whose statement was carried out, but whose reply from the database was lost on the way."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from service.api.app import create_app
from service.config import Config
from tests.api.exchange import IDEMPOTENCY_KEY, post_create, success
from tests.api.waiting import wait_for_lock_waiters
from tests.conftest import AppClient, Client
from tests.factories import AppRecord, Records, params
from tests.proxy import Proxy

# Whoever inserts a requirement does away with all users: whoever tries again finds no reference.
REFERENCES_GO = """
CREATE FUNCTION sweep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users; RETURN NULL; END $$;
CREATE TRIGGER sweep AFTER INSERT ON requirements FOR EACH ROW EXECUTE FUNCTION sweep();
"""


@pytest.fixture
async def distant(config: Config, records: Records, proxy: Proxy, aiohttp_client: AppClient) -> Client:
    """A client of a service whose database is behind the proxy."""
    await records.deploy()
    return await aiohttp_client(create_app(replace(config, database=replace(config.database, url=proxy.url))))


@pytest.mark.parametrize(("disturbance", "users_left"), [("SELECT", True), (REFERENCES_GO, False)])
@pytest.mark.parametrize(("headers", "outcome"), [({}, "created"), ({IDEMPOTENCY_KEY: "k"}, "replayed")])
async def test_a_lost_reply_is_asked_for_again(
    distant: Client,
    proxy: Proxy,
    records: Records,
    application: AppRecord,
    user_id: int,
    other: asyncpg.Connection,
    headers: dict[str, str],
    outcome: str,
    disturbance: str,
    *,
    users_left: bool,
) -> None:
    """The record that was committed is answered, once, whatever became of its references meanwhile."""
    await records.connection.execute(disturbance)
    async with other.transaction():
        await other.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", user_id)
        asking = asyncio.create_task(post_create(distant, params(application.token, user_id), headers))
        await wait_for_lock_waiters(records.connection)
        proxy.lose_replies()
    answer = await asking
    (row,) = await records.connection.fetch("SELECT * FROM requirements")
    assert (answer.code_and_body, answer.outcome) == (success(row), outcome)
    assert await records.connection.fetchval("SELECT EXISTS (SELECT FROM users)") == users_left
