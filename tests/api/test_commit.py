"""A create and its commit: success is reported after the commit, never before."""

import asyncio

import asyncpg

from service.domain.statuses import ApplicationCrash
from tests.api.exchange import post_create, refusal
from tests.api.waiting import wait_for_lock_waiters
from tests.conftest import Client
from tests.factories import AppRecord, Records, params

# A deferred trigger runs at the commit, after the statement itself.
AT_COMMIT = """
CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {}; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON requirements DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION at_commit();
"""


async def test_success_waits_for_the_commit(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """A create is answered only after its transaction has committed."""
    await records.connection.execute(AT_COMMIT.format("PERFORM pg_advisory_xact_lock(7)"))
    await other.execute("SELECT pg_advisory_lock(7)")
    task = asyncio.create_task(post_create(client, params(application.token, user_id)))
    await wait_for_lock_waiters(records.connection)
    done, _ = await asyncio.wait([task], timeout=0.2)
    assert not done
    assert await records.count() == 0
    await other.execute("SELECT pg_advisory_unlock(7)")
    assert (await task).outcome == "created"
    assert await records.count() == 1


async def test_a_failed_commit_is_a_crash(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """A commit that fails is application-crash with the outcome none."""
    await records.connection.execute(AT_COMMIT.format("RAISE 'not this one'"))
    response = await post_create(client, params(application.token, user_id))
    assert (response.code_and_body, response.outcome) == (refusal(ApplicationCrash), "none")
    assert await records.count() == 0
