"""Creates among others who hold, change and delete the rows that they need."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg

from service.domain.statuses import ApplicationCrash, InvalidParam, InvalidToken
from tests.api.exchange import IDEMPOTENCY_KEY, ApiResponse, post_create, refusal
from tests.api.waiting import wait_for_lock_waiters
from tests.conftest import Client
from tests.factories import AppRecord, Records, params

SWALLOW = """
CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER swallow BEFORE INSERT ON requirements FOR EACH ROW EXECUTE FUNCTION swallow();
"""
TAKE_THE_NEXT_IDS = """
INSERT INTO requirements (id, required_type, required_id, requireable_type, requireable_id)
SELECT id, 'User', 1, 'User', 1 FROM generate_series(1, 2) AS id
"""


@contextlib.asynccontextmanager
async def held(other: asyncpg.Connection, *statements: str) -> AsyncIterator[asyncpg.transaction.Transaction]:
    """A transaction of someone else that has run `statements`; rolled back at the end unless it was committed."""
    transaction = other.transaction()
    await transaction.start()
    for statement in statements:
        await other.execute(statement)
    try:
        yield transaction
    finally:
        with contextlib.suppress(asyncpg.InterfaceError):
            await transaction.rollback()


def statuses(answers: list[ApiResponse]) -> set[str]:
    """What the answers are called."""
    return {answer.status for answer in answers}


async def test_a_replay_never_refers_to_what_is_gone(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """A row deleted together with its references while its replay waits for it does not come back without them."""
    sent = params(application.token, user_id)
    await post_create(client, sent, {IDEMPOTENCY_KEY: "k"})
    async with held(other, "DELETE FROM users", "DELETE FROM requirements") as cleaning:
        replay = asyncio.create_task(post_create(client, sent, {IDEMPOTENCY_KEY: "k"}))
        await wait_for_lock_waiters(records.connection)
        await cleaning.commit()
    answer = await replay
    assert (answer.status, answer.outcome) == (InvalidParam.name, "none")
    assert await records.count() == 0


async def test_a_replay_of_a_row_in_use_delays_nobody(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """While a replay waits for whoever changes its row, other creates are answered."""
    sent = params(application.token, user_id)
    await post_create(client, sent, {IDEMPOTENCY_KEY: "k"})
    async with held(other, "UPDATE requirements SET value = 'theirs'") as change:
        replay = asyncio.create_task(post_create(client, sent, {IDEMPOTENCY_KEY: "k"}))
        await wait_for_lock_waiters(records.connection)
        neighbours = await asyncio.gather(*[post_create(client, sent) for _ in range(10)])
        assert not replay.done()
        await change.commit()
    assert statuses(list(neighbours)) == {"action-successful"}
    answer = await replay
    assert (answer.outcome, answer.data["value"]) == ("replayed", "theirs")


async def test_a_crowd_before_a_lock_leaves_room_for_others(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """However many wait for one row, look-ups and creates that need it not find a connection, and so does /ready."""
    doomed, _ = await records.user()
    async with held(other, f"DELETE FROM users WHERE id = {doomed}"):  # noqa: S608 - a number of ours
        crowd = [asyncio.create_task(post_create(client, params(application.token, doomed))) for _ in range(12)]
        await wait_for_lock_waiters(records.connection)
        neighbours = await asyncio.gather(*[post_create(client, params(application.token, user_id)) for _ in range(5)])
        stranger = await post_create(client, params("nobody's", user_id))
        ready = await client.get("/ready")
    assert statuses(list(neighbours)) == {"action-successful"}
    assert (stranger.status, ready.status) == (InvalidToken.name, 200)
    assert statuses(list(await asyncio.gather(*crowd))) == {"action-successful"}


async def test_a_conflict_of_ours_is_no_fault_of_the_caller(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """Ids that someone else has taken by hand are a crash that wrote nothing, not an invalid param."""
    await records.connection.execute(TAKE_THE_NEXT_IDS)
    answer = await post_create(client, params(application.token, user_id))
    assert answer.code_and_body == refusal(ApplicationCrash)
    assert (answer.outcome, answer.headers["Retry-After"]) == ("none", "1")


async def test_a_row_that_the_database_swallows_is_a_crash(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """A row that a rule of the database's own takes away is never told as a fault of the params."""
    await records.connection.execute(SWALLOW)
    answer = await post_create(client, params(application.token, user_id))
    assert (answer.code_and_body, answer.outcome) == (refusal(ApplicationCrash), "none")


async def test_a_column_of_someone_elses_harms_nothing(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """Whatever columns others add, the statement means its own."""
    await records.connection.execute("ALTER TABLE requirements ADD created boolean, ADD required_held text")
    assert (await post_create(client, params(application.token, user_id))).status == "action-successful"
