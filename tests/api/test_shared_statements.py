"""Calls that share a statement: what fails or waits for one of them fails or delays no other."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from service.api import blocked_calls, keys
from service.api.app import create_app
from service.config import Config
from service.domain.statuses import ApplicationCrash, InvalidParam, Overloaded
from tests.api.exchange import IDEMPOTENCY_KEY, ApiResponse, post_create, refusal
from tests.api.waiting import wait_for_lock_waiters, wait_until
from tests.conftest import AppClient, Client
from tests.factories import AppRecord, Records, params

# Reading when one session was opened fails, as a value that PostgreSQL cannot compute with would.
POISONED_SESSION = """
ALTER TABLE sessions RENAME TO stored_sessions;
CREATE FUNCTION opened(bigint, timestamptz) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF $1 = {session_id} THEN RAISE EXCEPTION 'timestamp out of range' USING ERRCODE = '22008'; END IF;
    RETURN $2;
END
$$;
CREATE VIEW sessions AS
SELECT
    id, user_id, application_id, token_digest, remember_me, opened(id, created_at) AS created_at, last_used_at,
    revoked_at
FROM stored_sessions;
"""
POISONED_TOUCH = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no touching'; END $$;
CREATE TRIGGER fail BEFORE UPDATE ON sessions FOR EACH ROW WHEN (OLD.id = {session_id}) EXECUTE FUNCTION fail();
"""
USED = "SELECT last_used_at > now() - interval '30 s' FROM sessions WHERE id = $1"


@pytest.mark.parametrize("headers", [{}, {IDEMPOTENCY_KEY: "k"}], ids=["plain", "keyed"])
async def test_a_look_up_that_fails_fails_alone(client: Client, records: Records, headers: dict[str, str]) -> None:
    """A token whose look-up fails is application-crash, none; every other call of its statement succeeds."""
    application = await records.application()
    poisoned, *others = [await records.session() for _ in range(6)]
    await records.connection.execute(POISONED_SESSION.format(session_id=poisoned.id))
    reference = {"type": "Application", "id": application.id}
    bad, *good = await asyncio.gather(
        *(
            post_create(client, params(one.token, 1, required=reference, requireable=reference), headers)
            for one in (poisoned, *others)
        )
    )
    assert (bad.code_and_body, bad.outcome) == (refusal(ApplicationCrash), "none")
    assert [answer.outcome for answer in good] == ["created"] * 5
    assert await records.count() == 5


async def test_a_use_that_cannot_be_recorded_hinders_no_other(client: Client, records: Records) -> None:
    """Sessions used at once are recorded as used, except the one whose update fails."""
    hour = timedelta(hours=1)
    poisoned, *others = [await records.session(idle=hour) for _ in range(4)]
    await records.connection.execute(POISONED_TOUCH.format(session_id=poisoned.id))
    answers = await asyncio.gather(
        *(post_create(client, params(one.token, one.user_id)) for one in (poisoned, *others))
    )
    assert [answer.outcome for answer in answers] == ["created"] * 4
    for one in others:
        await wait_until(records.connection, USED, one.id)
    assert not await records.connection.fetchval(USED, poisoned.id)


# Attempts are counted by a sequence, which a rollback does not set back.
FAILING_ROWS = """
CREATE SEQUENCE attempts;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('attempts');
    RAISE 'never' USING ERRCODE = '{sqlstate}';
END
$$;
CREATE TRIGGER fail BEFORE INSERT ON requirements FOR EACH ROW WHEN (NEW.key = 'poison') EXECUTE FUNCTION fail();
"""


@pytest.mark.parametrize(
    ("sqlstate", "attempts"), [("40001", 5), ("40P01", 5), ("0A000", 2), ("26000", 2), ("2200H", 2), ("22012", 2)]
)
async def test_an_error_that_lasts_is_retried_alone_and_not_for_long(
    client: Client, records: Records, application: AppRecord, user_id: int, sqlstate: str, attempts: int
) -> None:
    """A row on which each statement fails is given up soon, with the outcome none; its neighbours succeed.

    The first attempt is in a batch, the others are alone.
    """
    await records.connection.execute(FAILING_ROWS.format(sqlstate=sqlstate))
    async with asyncio.timeout(5):
        bad, *good = await asyncio.gather(
            *(post_create(client, params(application.token, user_id, key=key)) for key in ("poison", *"abcd"))
        )
    assert (bad.code_and_body, bad.outcome) == (refusal(ApplicationCrash), "none")
    assert [answer.outcome for answer in good] == ["created"] * 4
    assert await records.count() == 4
    assert await records.connection.fetchval("SELECT last_value FROM attempts") == attempts


async def test_a_value_that_fits_no_column_is_the_callers(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """A value that is too long for a column that other software has shortened is invalid-param."""
    await records.connection.execute("ALTER TABLE requirements ALTER COLUMN value TYPE varchar(10)")
    bad, good = await asyncio.gather(
        *(post_create(client, params(application.token, user_id, value="x" * size)) for size in (11, 10))
    )
    assert (bad.status, bad.outcome, good.outcome) == (InvalidParam.name, "none", "created")


@pytest.fixture
async def orders(config: Config, records: Records, aiohttp_client: AppClient) -> Client:
    """A client of a service with the association type Order, whose table has an order with the id 1."""
    await records.deploy()
    await records.connection.execute("CREATE TABLE orders (id bigint PRIMARY KEY); INSERT INTO orders VALUES (1)")
    return await aiohttp_client(create_app(replace(config, associations={**config.associations, "Order": "orders"})))


async def call_for_order(client: Client, token: str, **changes: object) -> ApiResponse:
    """Send a create that requires the order 1."""
    return await post_create(client, params(token, 1, required={"type": "Order", "id": 1}, **changes))


@pytest.mark.parametrize("lock", ["LOCK TABLE orders", "ALTER TABLE orders ADD COLUMN note text"])
async def test_a_locked_table_delays_no_other_call(
    orders: Client,
    records: Records,
    application: AppRecord,
    user_id: int,
    other: asyncpg.Connection,
    config: Config,
    lock: str,
) -> None:
    """Calls that name a locked table wait; calls that name others are written meanwhile, also in the same batch."""
    async with other.transaction():
        await other.execute(lock)
        waiting = []
        async with asyncio.timeout(config.database.lock_timeout_seconds / 2):
            for _ in range(10):
                waiting += [asyncio.create_task(call_for_order(orders, application.token)) for _ in range(3)]
                innocent = [post_create(orders, params(application.token, user_id)) for _ in range(5)]
                assert {answer.outcome for answer in await asyncio.gather(*innocent)} == {"created"}
        await wait_for_lock_waiters(records.connection)
        assert not any(task.done() for task in waiting)
    assert {answer.outcome for answer in await asyncio.gather(*waiting)} == {"created"}
    assert await records.count() == 80
    async with asyncio.timeout(3):
        while orders.app[keys.WRITER].locked_types:
            await asyncio.sleep(0.01)
    assert (await call_for_order(orders, application.token)).outcome == "created"


async def test_a_table_that_every_call_needs_is_waited_for(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """While the table of requirements is locked, calls wait for it together, and are written when it is free."""
    async with other.transaction():
        await other.execute("LOCK TABLE requirements")
        waiting = [asyncio.create_task(post_create(client, params(application.token, user_id))) for _ in range(20)]
        await wait_for_lock_waiters(records.connection)
    assert [answer.outcome for answer in await asyncio.gather(*waiting)] == ["created"] * 20


async def test_calls_for_a_locked_row_are_refused_before_others(
    config: Config,
    records: Records,
    application: AppRecord,
    user_id: int,
    other: asyncpg.Connection,
    aiohttp_client: AppClient,
) -> None:
    """Calls that name a locked row are refused once too many wait for it. Calls that name other rows are served."""
    await records.deploy()
    hot_id, _ = await records.user()
    app = create_app(replace(config, server=replace(config.server, max_waiting=32)))
    client = await aiohttp_client(app)
    async with other.transaction():
        await other.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", hot_id)
        waiting: list[asyncio.Task[ApiResponse]] = []
        async with asyncio.timeout(3):
            while not any(task.done() for task in waiting):
                waiting.append(asyncio.create_task(post_create(client, params(application.token, hot_id))))
                answers = await asyncio.gather(
                    *(post_create(client, params(application.token, user_id)) for _ in range(16))
                )
                assert {answer.outcome for answer in answers} == {"created"}
        (refused,) = [task.result() for task in waiting if task.done()]
        assert (refused.code_and_body, refused.outcome) == (refusal(Overloaded), "none")
        assert refused.headers["Retry-After"] == "1"
    outcomes = Counter(answer.outcome for answer in await asyncio.gather(*waiting))
    assert outcomes == {"created": len(waiting) - 1, "none": 1}
    assert outcomes["created"] >= 4


async def test_an_absent_row_refuses_nobody(
    config: Config,
    records: Records,
    application: AppRecord,
    aiohttp_client: AppClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Any number of calls that name a row that does not exist are refused: none of them waits for a lock."""
    # On a busy machine a statement may take longer without waiting for a lock.
    monkeypatch.setattr(blocked_calls, "STUCK_SECONDS", 5.0)
    await records.deploy()
    client = await aiohttp_client(create_app(replace(config, server=replace(config.server, max_waiting=128))))
    answers = await asyncio.gather(*(post_create(client, params(application.token, 404)) for _ in range(100)))
    assert {answer.status for answer in answers} == {InvalidParam.name}


@pytest.mark.parametrize("times", [1, 3])
async def test_a_replaced_reference_exists(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection, times: int
) -> None:
    """A row that is deleted and inserted again in one transaction exists, before and after, also for a waiting call."""
    replacing = f"DELETE FROM users WHERE id = {user_id}; INSERT INTO users (id, email) VALUES ({user_id}, 'x')"  # noqa: S608
    await other.execute(f"BEGIN; {replacing}")
    call = asyncio.create_task(post_create(client, params(application.token, user_id)))
    await wait_for_lock_waiters(records.connection)
    for _ in range(times - 1):
        await other.execute(f"COMMIT; BEGIN; {replacing}")
        await wait_for_lock_waiters(records.connection)
    await other.execute("COMMIT")
    assert (await call).outcome == "created"


async def test_a_replaced_reference_may_be_gone_in_the_end(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """A row that is deleted while a call waits for it does not exist."""
    async with other.transaction():
        await other.execute("DELETE FROM users WHERE id = $1", user_id)
        call = asyncio.create_task(post_create(client, params(application.token, user_id)))
        await wait_for_lock_waiters(records.connection)
    answer = await call
    assert (answer.status, answer.outcome) == (InvalidParam.name, "none")


@pytest.mark.parametrize("headers", [{}, {IDEMPOTENCY_KEY: "k"}], ids=["plain", "keyed"])
async def test_a_read_only_server_ends_calls_at_once(
    config: Config,
    records: Records,
    application: AppRecord,
    user_id: int,
    aiohttp_client: AppClient,
    headers: dict[str, str],
) -> None:
    """On a read-only server every create is application-crash with the outcome none, at once, and /ready says why."""
    await records.deploy()
    database = await records.connection.fetchval("SELECT current_database()")
    await records.connection.execute(f'ALTER DATABASE "{database}" SET default_transaction_read_only = on')
    read_only = await aiohttp_client(create_app(config))
    async with asyncio.timeout(2):
        answers = await asyncio.gather(
            *(post_create(read_only, params(application.token, user_id), headers) for _ in range(5))
        )
    assert {(answer.status, answer.outcome) for answer in answers} == {(ApplicationCrash.name, "none")}
    assert await records.count() == 0
    ready = await read_only.get("/ready")
    checks = {"database": "read only", "migrations": "ok", "serving": "ok"}
    assert (ready.status, await ready.json()) == (503, {"status": "unavailable", "checks": checks})
    await records.connection.execute(f'ALTER DATABASE "{database}" RESET default_transaction_read_only')
    # The worker connects anew from time to time, because another server may be the primary by then.
    async with asyncio.timeout(5):
        while (await read_only.get("/ready")).status != 200:
            await asyncio.sleep(0.05)
    assert (await post_create(read_only, params(application.token, user_id), headers)).outcome == "created"
