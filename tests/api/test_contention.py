"""Creates while concurrent transactions lock, change or delete the rows that they need."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg

from service.domain.statuses import ApplicationCrash, InvalidToken
from tests.api.exchange import IDEMPOTENCY_KEY, ApiResponse, post_create, refusal
from tests.api.waiting import wait_for_lock_waiters
from tests.conftest import Client
from tests.factories import AppRecord, Records, params

DISCARD_ROWS = """
CREATE FUNCTION discard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER discard BEFORE INSERT ON requirements FOR EACH ROW EXECUTE FUNCTION discard();
"""
USE_THE_NEXT_IDS = """
INSERT INTO requirements (id, required_type, required_id, requireable_type, requireable_id)
SELECT id, 'User', 1, 'User', 1 FROM generate_series(1, 2) AS id
"""


@contextlib.asynccontextmanager
async def concurrent_transaction(
    other: asyncpg.Connection, *statements: str
) -> AsyncIterator[asyncpg.transaction.Transaction]:
    """A concurrent transaction that has run `statements`; rolled back at the end unless the test commits it."""
    transaction = other.transaction()
    await transaction.start()
    for statement in statements:
        await other.execute(statement)
    try:
        yield transaction
    finally:
        with contextlib.suppress(asyncpg.InterfaceError):
            await transaction.rollback()


def statuses(responses: list[ApiResponse]) -> set[str]:
    """The names of the statuses."""
    return {response.status for response in responses}


async def test_a_replay_does_not_restore_deleted_references(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """A replay that waits for the deletion of its row and references does not insert the row again."""
    sent = params(application.token, user_id)
    await post_create(client, sent, {IDEMPOTENCY_KEY: "k"})
    async with concurrent_transaction(other, "DELETE FROM users", "DELETE FROM requirements") as deletion:
        replay = asyncio.create_task(post_create(client, sent, {IDEMPOTENCY_KEY: "k"}))
        await wait_for_lock_waiters(records.connection)
        await deletion.commit()
    response = await replay
    # The key outlives its requirement.
    assert (response.status, response.outcome) == ("action-successful", "replayed")
    assert await records.count() == 0


async def test_a_waiting_replay_delays_no_other_create(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """A replay that waits for a locked row does not delay other creates."""
    sent = params(application.token, user_id)
    await post_create(client, sent, {IDEMPOTENCY_KEY: "k"})
    async with concurrent_transaction(other, "UPDATE requirements SET value = 'theirs'") as change:
        replay = asyncio.create_task(post_create(client, sent, {IDEMPOTENCY_KEY: "k"}))
        await wait_for_lock_waiters(records.connection)
        others = await asyncio.gather(*[post_create(client, sent) for _ in range(10)])
        assert not replay.done()
        await change.commit()
    assert statuses(list(others)) == {"action-successful"}
    response = await replay
    assert (response.outcome, response.data["value"]) == ("replayed", "theirs")


async def test_creates_that_wait_for_a_lock_leave_connections_for_others(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """Creates that wait for one locked row leave connections for other creates, token look-ups and /ready."""
    deleted_user_id, _ = await records.user()
    async with concurrent_transaction(other, f"DELETE FROM users WHERE id = {deleted_user_id}"):  # noqa: S608 - an id from the factory
        waiting_creates = [
            asyncio.create_task(post_create(client, params(application.token, deleted_user_id))) for _ in range(12)
        ]
        await wait_for_lock_waiters(records.connection)
        others = await asyncio.gather(*[post_create(client, params(application.token, user_id)) for _ in range(5)])
        unknown_caller = await post_create(client, params("nobody's", user_id))
        ready = await client.get("/ready")
    assert statuses(list(others)) == {"action-successful"}
    assert (unknown_caller.status, ready.status) == (InvalidToken.name, 200)
    assert statuses(list(await asyncio.gather(*waiting_creates))) == {"action-successful"}


async def test_a_primary_key_conflict_is_a_crash(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """A conflict on the primary key is application-crash with the outcome none, not invalid-param."""
    await records.connection.execute(USE_THE_NEXT_IDS)
    response = await post_create(client, params(application.token, user_id))
    assert response.code_and_body == refusal(ApplicationCrash)
    assert (response.outcome, response.headers["Retry-After"]) == ("none", "1")


async def test_a_row_discarded_by_a_trigger_is_a_crash(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """A row that a trigger discards is application-crash, not invalid-param."""
    await records.connection.execute(DISCARD_ROWS)
    response = await post_create(client, params(application.token, user_id))
    assert (response.code_and_body, response.outcome) == (refusal(ApplicationCrash), "none")


async def test_an_added_column_breaks_no_create(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """Columns added to the table with the names of the statement's aliases do not break a create."""
    await records.connection.execute("ALTER TABLE requirements ADD created boolean, ADD required_held text")
    assert (await post_create(client, params(application.token, user_id))).status == "action-successful"
