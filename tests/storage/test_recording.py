"""Writes that share a statement: each keeps its own verdict."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from service.api.requirement_writer import RequirementWriter
from service.config import Config
from service.database.pool import open_database
from service.domain.callers import Application, Caller, admit, digest
from service.domain.requirements import Key, Requirement, submission
from service.domain.schemas import CreateParams, Reference
from service.domain.statuses import ApplicationCrash, InvalidParam, InvalidToken, Outcome
from service.storage.requirements import RequirementStore
from tests.api.waiting import wait_for_lock_waiters
from tests.factories import Records

BUDGET_SECONDS = 8.0

REFUSE_POISON = """
CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF NEW.key = 'poison' THEN RAISE EXCEPTION 'no' USING ERRCODE = 'P0001'; END IF; RETURN NEW; END $$;
CREATE TRIGGER refuse_poison BEFORE INSERT ON requirements FOR EACH ROW EXECUTE FUNCTION refuse_poison();
"""


class Writes:
    """Records requirements of one application at the same time."""

    def __init__(self, recorder: RequirementWriter, caller: Caller, token: str) -> None:
        self.recorder = recorder
        self.caller = caller
        self.token = token

    async def __call__(
        self,
        user_id: int,
        *,
        to: Reference | None = None,
        key: str | None = None,
        idempotency_key: str | None = None,
        token: str | None = None,
    ) -> tuple[Requirement, Outcome]:
        """Record that `to`, or else the user, requires the user; by the application's `token` or another."""
        user = Reference("User", user_id)
        params = CreateParams(user, to or user, key, None, None, None)
        deadline = asyncio.get_running_loop().time() + BUDGET_SECONDS
        owned = Key(self.caller, idempotency_key) if idempotency_key else None
        item = submission(digest(token or self.token), params, owned)
        recorded = await self.recorder.record(item, deadline)
        return recorded.requirement, recorded.outcome


@pytest.fixture
async def write(config: Config, database_url: str, records: Records) -> AsyncIterator[Writes]:
    """Records requirements over a pool of its own."""
    application = await records.application()
    row = await records.connection.fetchrow("SELECT * FROM applications WHERE id = $1", application.id)
    assert row is not None
    caller = Caller(Application(**dict(row)), None)
    async with open_database(config.database, database_url) as database:
        recorder = RequirementWriter(RequirementStore(database, config.associations), admit, config.database)
        yield Writes(recorder, caller, application.token)
        await recorder.close()


async def transactions(connection: asyncpg.Connection) -> int:
    """How many different transactions wrote the requirements that there are."""
    count: int = await connection.fetchval("SELECT count(DISTINCT xmin::text) FROM requirements")
    return count


async def test_calls_at_once_share_a_transaction(write: Writes, user_id: int, connection: asyncpg.Connection) -> None:
    """Calls that come together are one statement, and each gets its own record."""
    recorded = await asyncio.gather(*[write(user_id, key=str(number)) for number in range(20)])
    assert [requirement.key for requirement, _ in recorded] == [str(number) for number in range(20)]
    assert {outcome for _, outcome in recorded} == {"created"}
    assert await transactions(connection) == 1


async def test_a_missing_reference_fails_only_its_own_call(write: Writes, user_id: int, records: Records) -> None:
    """One bad row never fails its neighbours."""
    results = await asyncio.gather(
        write(user_id),
        write(user_id + 1),
        write(user_id, to=Reference("Client", 7)),
        write(user_id),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [tuple, InvalidParam, InvalidParam, tuple]
    assert isinstance(results[1], InvalidParam)
    assert isinstance(results[2], InvalidParam)
    assert [error.param for error in results[1].errors] == ["required.id", "requireable.id"]
    assert [error.param for error in results[2].errors] == ["requireable.id"]
    assert await records.count() == 2


async def test_one_key_twice_in_a_batch_is_one_record(write: Writes, user_id: int, records: Records) -> None:
    """Equal keyed calls that share a statement are one record, created once."""
    recorded = await asyncio.gather(*[write(user_id, idempotency_key="same") for _ in range(5)])
    assert len({requirement.id for requirement, _ in recorded}) == 1
    assert sorted(outcome for _, outcome in recorded) == ["created"] + ["replayed"] * 4
    assert await records.count() == 1


async def test_one_key_for_two_params_in_a_batch_is_judged_as_in_turn(
    write: Writes, user_id: int, records: Records
) -> None:
    """The first of two calls with one key is recorded, the other is told that the key was used."""
    first, second = await asyncio.gather(
        write(user_id, key="a", idempotency_key="same"),
        write(user_id, key="b", idempotency_key="same"),
        return_exceptions=True,
    )
    assert isinstance(first, tuple)
    assert isinstance(second, InvalidParam)
    assert [error.param for error in second.errors] == ["Idempotency-Key"]
    assert await records.count() == 1


async def test_a_key_whose_first_call_fails_serves_the_second(write: Writes, user_id: int, records: Records) -> None:
    """A call that leaves no record does not use its key up for its neighbour."""
    first, second = await asyncio.gather(
        write(user_id + 1, idempotency_key="same"), write(user_id, idempotency_key="same"), return_exceptions=True
    )
    assert isinstance(first, InvalidParam)
    assert isinstance(second, tuple)
    assert second[1] == "created"
    assert await records.count() == 1


async def test_a_row_the_server_refuses_fails_alone(write: Writes, user_id: int, records: Records) -> None:
    """An error of the statement that one row brings on is that row's: its neighbours are recorded."""
    await records.connection.execute(REFUSE_POISON)
    results = await asyncio.gather(write(user_id), write(user_id, key="poison"), write(user_id), return_exceptions=True)
    assert [type(result) for result in results] == [tuple, ApplicationCrash, tuple]
    assert isinstance(results[1], ApplicationCrash)
    assert results[1].outcome == "none"
    assert await records.count() == 2


async def test_a_wait_for_a_lock_delays_no_neighbour(
    write: Writes, user_id: int, records: Records, database_url: str
) -> None:
    """While one call waits for whoever deletes its reference, calls beside and after it are answered."""
    doomed, _ = await records.user()
    other = await asyncpg.connect(database_url)
    async with other.transaction():
        await other.execute("DELETE FROM users WHERE id = $1", doomed)
        write_task = asyncio.create_task(write(doomed))
        neighbours = await asyncio.gather(*[write(user_id) for _ in range(5)])
        later = await write(user_id)
        assert not write_task.done()
    with pytest.raises(InvalidParam):
        await write_task
    await other.close()
    assert {outcome for _, outcome in [*neighbours, later]} == {"created"}
    assert await records.count() == 6


async def test_a_cancelled_call_harms_no_neighbour(write: Writes, user_id: int, records: Records) -> None:
    """A caller that goes away while its statement runs leaves the others theirs; its record may be there."""
    calls = [asyncio.create_task(write(user_id, key=str(number))) for number in range(4)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    calls[0].cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results[1:]] == [tuple] * 3
    assert await records.count() in (3, 4)


async def test_references_of_any_mix_of_types_share_a_batch(
    write: Writes, user_id: int, records: Records, connection: asyncpg.Connection
) -> None:
    """Calls that refer to different tables are one statement."""
    application = await records.application()
    await records.deploy()
    service_id = await connection.fetchval("SELECT id FROM services")
    others = [Reference("Application", application.id), Reference("Service", service_id), None]
    recorded = await asyncio.gather(*[write(user_id, to=other) for other in others])
    assert [requirement.requireable.type for requirement, _ in recorded] == ["Application", "Service", "User"]
    assert await transactions(connection) == 1


async def test_closing_waits_for_writes_nobody_waits_for(write: Writes, user_id: int, records: Records) -> None:
    """A write whose caller has gone is carried to its end before the pool is closed."""
    call = asyncio.create_task(write(user_id))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    call.cancel()
    await write.recorder.close()
    assert await records.count() == 1


async def test_a_key_sent_twice_splits_no_batch(write: Writes, user_id: int, connection: asyncpg.Connection) -> None:
    """Equal keyed calls are one row of a statement, which they share with their neighbours as any other call does."""
    keys = ["same", None, "same", "other"]
    recorded = await asyncio.gather(*[write(user_id, idempotency_key=key) for key in keys])
    assert [outcome for _, outcome in recorded] == ["created", "created", "replayed", "created"]
    assert await transactions(connection) == 1


async def test_closing_waits_for_a_write_that_waits_alone(
    write: Writes, user_id: int, records: Records, database_url: str
) -> None:
    """A write before a lock goes on without its caller, and the pool is not closed under it."""
    other = await asyncpg.connect(database_url)
    async with other.transaction():
        await other.execute("SELECT FROM users FOR UPDATE")
        call = asyncio.create_task(write(user_id))
        await wait_for_lock_waiters(records.connection)
        call.cancel()
        closing = asyncio.create_task(write.recorder.close())
        closed, _ = await asyncio.wait([closing], timeout=0.2)
        assert not closed
    await closing
    await other.close()
    assert await records.count() == 1


async def test_a_refused_caller_fails_only_its_own_call(write: Writes, user_id: int, records: Records) -> None:
    """A token that is no good in the midst of a batch: nothing is written for it, everything for its neighbours."""
    results = await asyncio.gather(
        write(user_id),
        write(user_id, token="unknown"),
        write(user_id + 1, token="unknown"),
        write(user_id),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [tuple, InvalidToken, InvalidToken, tuple]
    assert await records.count() == 2


async def test_a_refused_caller_holds_nothing_up(write: Writes, user_id: int, database_url: str) -> None:
    """For a token that is no good, nobody waits for whoever is deleting the reference."""
    other = await asyncpg.connect(database_url)
    async with other.transaction():
        await other.execute("DELETE FROM users WHERE id = $1", user_id)
        with pytest.raises(InvalidToken):
            await write(user_id, token="unknown")
    await other.close()


async def test_one_key_by_two_tokens_is_judged_by_each(
    write: Writes, user_id: int, records: Records, connection: asyncpg.Connection
) -> None:
    """In one batch, a revoked token of the application is refused, and does not spoil its key for the good one."""
    bad = (await records.application()).token
    await connection.execute("UPDATE application_tokens SET revoked_at = now() WHERE token_digest = $1", digest(bad))
    results = await asyncio.gather(
        write(user_id, idempotency_key="same", token=bad),
        write(user_id, idempotency_key="same"),
        write(user_id, idempotency_key="same", token=bad),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [InvalidToken, tuple, InvalidToken]
    assert await records.count() == 1
