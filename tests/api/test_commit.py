"""A create and its commit: success is told after it, and only then."""

import asyncio

import asyncpg

from service.domain.statuses import ApplicationCrash
from tests.api.exchange import post_create, refusal
from tests.api.waiting import wait_for_lock_waiters
from tests.conftest import Client
from tests.factories import AppRecord, Records, params

# What a commit still has to do runs when all else of the statement is done.
AT_COMMIT = """
CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {}; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON requirements DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION at_commit();
"""


async def test_success_waits_for_the_commit(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """While the commit of a create is held up nothing is told of it; then it is there, and told."""
    await records.connection.execute(AT_COMMIT.format("PERFORM pg_advisory_xact_lock(7)"))
    await other.execute("SELECT pg_advisory_lock(7)")
    asking = asyncio.create_task(post_create(client, params(application.token, user_id)))
    await wait_for_lock_waiters(records.connection)
    told, _ = await asyncio.wait([asking], timeout=0.2)
    assert not told
    assert await records.count() == 0
    await other.execute("SELECT pg_advisory_unlock(7)")
    assert (await asking).outcome == "created"
    assert await records.count() == 1


async def test_a_commit_that_fails_is_no_success(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """What the database refuses at the very end is a crash that wrote nothing."""
    await records.connection.execute(AT_COMMIT.format("RAISE 'not this one'"))
    answer = await post_create(client, params(application.token, user_id))
    assert (answer.code_and_body, answer.outcome) == (refusal(ApplicationCrash), "none")
    assert await records.count() == 0
