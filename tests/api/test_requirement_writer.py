"""Writes that share a batch: each keeps its own outcome."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from service.api.requirement_writer import RequirementWriter, requirement_or_refusal
from service.config import Config
from service.database.pool import open_database
from service.domain.callers import Application, Caller, digest, refusal_of
from service.domain.idempotency import IdempotencyKey
from service.domain.references import Reference
from service.domain.requirements import Requirement, new_requirement
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
    """Creates requirements of one application concurrently."""

    def __init__(self, writer: RequirementWriter, caller: Caller, token: str) -> None:
        self.writer = writer
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
        """Create a requirement: `to`, by default the user, requires the user. `token` defaults to the application's."""
        user = Reference("User", user_id)
        params = {"required": user, "requireable": to or user, "key": key, "value": None}
        deadline = asyncio.get_running_loop().time() + BUDGET_SECONDS
        owned_key = IdempotencyKey(self.caller, idempotency_key) if idempotency_key else None
        item = new_requirement(digest(token or self.token), params, owned_key)
        result = await self.writer.write(item, deadline)
        refusal = refusal_of(result.lookup)
        if refusal is not None:
            raise refusal
        return requirement_or_refusal(item, result), "created" if result.created else "replayed"


@pytest.fixture
async def write(config: Config, database_url: str, records: Records) -> AsyncIterator[Writes]:
    """Creates requirements over its own connection pool."""
    application = await records.application()
    row = await records.connection.fetchrow("SELECT * FROM applications WHERE id = $1", application.id)
    assert row is not None
    caller = Caller(Application(**dict(row)), None, sees_all=True)
    async with open_database(config.database, database_url) as database:
        writer = RequirementWriter(RequirementStore(database, config.association_tables), config.database, 256)
        yield Writes(writer, caller, application.token)
        await writer.close()


async def transactions(connection: asyncpg.Connection) -> int:
    """The number of different transactions that wrote the requirements."""
    count: int = await connection.fetchval("SELECT count(DISTINCT xmin::text) FROM requirements")
    return count


async def test_calls_at_once_share_a_transaction(write: Writes, user_id: int, connection: asyncpg.Connection) -> None:
    """Concurrent calls share one statement, and each gets its own requirement."""
    results = await asyncio.gather(*[write(user_id, key=str(number)) for number in range(20)])
    assert [requirement.key for requirement, _ in results] == [str(number) for number in range(20)]
    assert {outcome for _, outcome in results} == {"created"}
    assert await transactions(connection) == 1


async def test_a_missing_reference_fails_only_its_own_call(write: Writes, user_id: int, records: Records) -> None:
    """A missing reference fails only its own call in the batch."""
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


async def test_one_key_twice_in_a_batch_creates_once(write: Writes, user_id: int, records: Records) -> None:
    """Calls with one key in a batch create one requirement, once."""
    results = await asyncio.gather(*[write(user_id, idempotency_key="same") for _ in range(5)])
    assert len({requirement.id for requirement, _ in results}) == 1
    assert sorted(outcome for _, outcome in results) == ["created"] + ["replayed"] * 4
    assert await records.count() == 1


async def test_one_key_with_different_params_in_a_batch(write: Writes, user_id: int, records: Records) -> None:
    """Of two calls in a batch with one key and different params, the first creates and the second is invalid-param."""
    first, second = await asyncio.gather(
        write(user_id, key="a", idempotency_key="same"),
        write(user_id, key="b", idempotency_key="same"),
        return_exceptions=True,
    )
    assert isinstance(first, tuple)
    assert isinstance(second, InvalidParam)
    assert [error.param for error in second.errors] == ["Idempotency-Key"]
    assert await records.count() == 1


async def test_a_failed_call_leaves_its_key_unused(write: Writes, user_id: int, records: Records) -> None:
    """A call that fails does not use up its key for the next call in the batch."""
    first, second = await asyncio.gather(
        write(user_id + 1, idempotency_key="same"), write(user_id, idempotency_key="same"), return_exceptions=True
    )
    assert isinstance(first, InvalidParam)
    assert isinstance(second, tuple)
    assert second[1] == "created"
    assert await records.count() == 1


async def test_a_failing_row_fails_alone(write: Writes, user_id: int, records: Records) -> None:
    """A row on which the statement fails fails alone; the other calls in the batch succeed."""
    await records.connection.execute(REFUSE_POISON)
    results = await asyncio.gather(write(user_id), write(user_id, key="poison"), write(user_id), return_exceptions=True)
    assert [type(result) for result in results] == [tuple, ApplicationCrash, tuple]
    assert isinstance(results[1], ApplicationCrash)
    assert results[1].outcome == "none"
    assert await records.count() == 2


async def test_a_waiting_call_delays_no_other_call(
    write: Writes, user_id: int, records: Records, database_url: str
) -> None:
    """A call that waits for a concurrent deletion does not delay calls in its batch or after it."""
    deleted_user_id, _ = await records.user()
    other = await asyncpg.connect(database_url)
    async with other.transaction():
        await other.execute("DELETE FROM users WHERE id = $1", deleted_user_id)
        write_task = asyncio.create_task(write(deleted_user_id))
        others = await asyncio.gather(*[write(user_id) for _ in range(5)])
        later = await write(user_id)
        assert not write_task.done()
    with pytest.raises(InvalidParam):
        await write_task
    await other.close()
    assert {outcome for _, outcome in [*others, later]} == {"created"}
    assert await records.count() == 6


async def test_a_cancelled_call_fails_no_other_call(write: Writes, user_id: int, records: Records) -> None:
    """Cancelling a call does not fail the others in its batch; its own requirement may be stored."""
    calls = [asyncio.create_task(write(user_id, key=str(number))) for number in range(4)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    calls[0].cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results[1:]] == [tuple] * 3
    assert await records.count() in (3, 4)


async def test_references_of_different_types_share_a_batch(
    write: Writes, user_id: int, records: Records, connection: asyncpg.Connection
) -> None:
    """Calls with references to different tables share one statement."""
    application = await records.application()
    await records.deploy()
    service_id = await connection.fetchval("SELECT id FROM services")
    others = [Reference("Application", application.id), Reference("Service", service_id), None]
    results = await asyncio.gather(*[write(user_id, to=other) for other in others])
    assert [requirement.requireable.type for requirement, _ in results] == ["Application", "Service", "User"]
    assert await transactions(connection) == 1


async def test_closing_waits_for_cancelled_writes(write: Writes, user_id: int, records: Records) -> None:
    """Closing the writer waits for a write whose caller was cancelled."""
    call = asyncio.create_task(write(user_id))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    call.cancel()
    await write.writer.close()
    assert await records.count() == 1


async def test_a_key_sent_twice_splits_no_batch(write: Writes, user_id: int, connection: asyncpg.Connection) -> None:
    """Calls with one key share a statement with the other calls."""
    keys = ["same", None, "same", "other"]
    results = await asyncio.gather(*[write(user_id, idempotency_key=key) for key in keys])
    assert [outcome for _, outcome in results] == ["created", "created", "replayed", "created"]
    assert await transactions(connection) == 1


async def test_closing_waits_for_a_blocked_write(
    write: Writes, user_id: int, records: Records, database_url: str
) -> None:
    """Closing the writer waits for a cancelled write that waits for a lock."""
    other = await asyncpg.connect(database_url)
    async with other.transaction():
        await other.execute("SELECT FROM users FOR UPDATE")
        call = asyncio.create_task(write(user_id))
        await wait_for_lock_waiters(records.connection)
        call.cancel()
        closing = asyncio.create_task(write.writer.close())
        closed, _ = await asyncio.wait([closing], timeout=0.2)
        assert not closed
    await closing
    await other.close()
    assert await records.count() == 1


async def test_a_refused_caller_fails_only_its_own_call(write: Writes, user_id: int, records: Records) -> None:
    """In a batch, nothing is written for an invalid token, and the other calls succeed."""
    results = await asyncio.gather(
        write(user_id),
        write(user_id, token="unknown"),
        write(user_id + 1, token="unknown"),
        write(user_id),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [tuple, InvalidToken, InvalidToken, tuple]
    assert await records.count() == 2


async def test_a_refused_caller_waits_for_no_lock(write: Writes, user_id: int, database_url: str) -> None:
    """A call with an invalid token does not wait for a locked reference."""
    other = await asyncpg.connect(database_url)
    async with other.transaction():
        await other.execute("DELETE FROM users WHERE id = $1", user_id)
        with pytest.raises(InvalidToken):
            await write(user_id, token="unknown")
    await other.close()


async def test_one_key_with_a_valid_and_a_revoked_token(
    write: Writes, user_id: int, records: Records, connection: asyncpg.Connection
) -> None:
    """In a batch, a revoked token with the same key is refused and does not affect the valid one."""
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
