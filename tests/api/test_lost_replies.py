"""A create whose statement committed, but whose reply from the database was lost."""

import asyncio

import asyncpg
import pytest

from tests.api.exchange import IDEMPOTENCY_KEY, post_create, success
from tests.api.waiting import wait_for_lock_waiters
from tests.conftest import Client
from tests.factories import AppRecord, Records, params
from tests.proxy import Proxy

# The insert itself deletes the references, so that the retry does not find them.
DELETE_REFERENCES = """
CREATE FUNCTION sweep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users; RETURN NULL; END $$;
CREATE TRIGGER sweep AFTER INSERT ON requirements FOR EACH ROW EXECUTE FUNCTION sweep();
"""


@pytest.mark.parametrize(("setup", "users_left"), [("SELECT", True), (DELETE_REFERENCES, False)])
@pytest.mark.parametrize(("headers", "outcome"), [({}, "created"), ({IDEMPOTENCY_KEY: "k"}, "replayed")])
async def test_a_lost_reply_is_retried(
    proxied_client: Client,
    proxy: Proxy,
    records: Records,
    application: AppRecord,
    user_id: int,
    other: asyncpg.Connection,
    headers: dict[str, str],
    outcome: str,
    setup: str,
    *,
    users_left: bool,
) -> None:
    """After a lost reply the statement is retried and the committed row returned, even without its references."""
    await records.connection.execute(setup)
    async with other.transaction():
        await other.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", user_id)
        task = asyncio.create_task(post_create(proxied_client, params(application.token, user_id), headers))
        await wait_for_lock_waiters(records.connection)
        proxy.lose_replies()
    response = await task
    (row,) = await records.connection.fetch("SELECT * FROM requirements")
    assert (response.code_and_body, response.outcome) == (success(row), outcome)
    assert await records.connection.fetchval("SELECT EXISTS (SELECT FROM users)") == users_left
