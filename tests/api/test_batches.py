"""The actions `create_many` and `destroy_many`: a verdict on each item, atomic calls, repeated and racing calls."""

import asyncio
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from service.config import Config
from service.domain.statuses import InvalidParam, InvalidToken, MissingParam
from tests.api.batches import (
    CREATE_MANY,
    DESTROY_MANY,
    errors_of,
    events,
    item,
    post,
    records_of,
    values,
    verdicts,
)
from tests.api.exchange import IDEMPOTENCY_KEY, ApiResponse, post_create, refusal
from tests.api.feed import DESTROY
from tests.api.waiting import wait_for_lock_waiters
from tests.conftest import Client
from tests.factories import READ, AppRecord, Records, params
from tests.proxy import Proxy

ABSENT_ID = 2**63 - 1
KEY_REUSED = refusal(InvalidParam, (IDEMPOTENCY_KEY, "was used before, with other params"))
# An insert waits for the advisory lock 77.
PAUSE = """
CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock(77); RETURN NEW; END $$;
CREATE TRIGGER pause BEFORE INSERT ON requirements FOR EACH ROW EXECUTE FUNCTION pause();
"""
COMMIT = "COMMIT\0"  # the message that commits; the one that begins a transaction has READ COMMITTED in it
KEYED = {IDEMPOTENCY_KEY: "k-1"}
CREATED, DESTROYED = ("action-successful", "created"), ("action-successful", "destroyed")
REPLAYED = ("action-successful", "replayed")
INVALID, MISSING = ("invalid-param", "none"), ("missing-param", "none")


@pytest.fixture
def config(config: Config) -> Config:
    """Settings by which batches run side by side."""
    return replace(config, database=replace(config.database, batch_pool_size=4))


async def create_many(client: Client, application: AppRecord, *items: object, **sent: Any) -> ApiResponse:
    """Send a create_many of these items."""
    return await post(client, CREATE_MANY, application.token, requirements=list(items), **sent)


# Other software keeps rows with the value `v0` from being created and deleted.
DISCARD = """
CREATE FUNCTION discard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF coalesce(NEW.value, OLD.value) = 'v0' THEN RETURN NULL; END IF;
    RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER discard BEFORE INSERT OR DELETE ON requirements FOR EACH ROW EXECUTE FUNCTION discard();
"""


async def test_an_atomic_batch_of_which_a_trigger_discards_items(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """If a trigger of other software discards an item, the outcome is unknown; none, if it discards all."""
    ids = await make(client, application, user_id, 2)
    await records.connection.execute(DISCARD)
    items = [item(user_id, "v0"), item(user_id, "v1")]
    for answer, outcome in [
        (await create_many(client, application, *items, atomic=True), "unknown"),
        (await create_many(client, application, items[0], atomic=True), "none"),
        (await post(client, DESTROY_MANY, application.token, ids=ids, atomic=True), "unknown"),
        (await post(client, DESTROY, application.token, id=ids[0]), "none"),
    ]:
        assert (answer.status, answer.outcome) == ("application-crash", outcome)


async def make(client: Client, application: AppRecord, user_id: int, count: int) -> list[int]:
    """The ids of so many new requirements, with the values v0, v1 and so on."""
    answer = await create_many(client, application, *(item(user_id, f"v{number}") for number in range(count)))
    assert verdicts(answer) == [CREATED] * count
    return [record["id"] for record in records_of(answer)]


async def test_each_item_is_a_requirement(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """Every item is stored, in order, and its verdict has the record; equal items are two requirements."""
    app = {"type": "Application", "id": application.id}
    sent = [
        item(user_id, "a"),
        item(user_id, "b", required=app),
        item(user_id, "b", required=app),
        item(user_id, key=None),
    ]
    answer = await create_many(client, application, *sent)
    assert (verdicts(answer), answer.outcome) == ([CREATED] * 4, "created")
    made = records_of(answer)
    assert [{name: record[name] for name in sent[0]} for record in made] == sent
    for record in made:
        assert (await post(client, READ, application.token, id=record["id"])).data == record
    assert [record["id"] for record in made] == sorted({record["id"] for record in made})
    assert await records.count() == 4


async def test_many_items(client: Client, records: Records, application: AppRecord, user_id: int) -> None:
    """A call may have 1,000 items, each with its own verdict; one more is refused, as is none."""
    ids = await make(client, application, user_id, 1000)
    assert await values(records) == [f"v{number}" for number in range(1000)]
    assert await records.connection.fetchval("SELECT array_agg(id ORDER BY id) FROM requirements") == ids
    bounds = refusal(InvalidParam, ("requirements", "must be a list of 1 to 1000 items"))
    assert (await create_many(client, application, *[item(user_id)] * 1001)).code_and_body == bounds
    assert (await create_many(client, application)).code_and_body == bounds
    assert await records.count() == 1000


async def test_a_verdict_on_each_item(client: Client, records: Records, application: AppRecord, user_id: int) -> None:
    """Each item that cannot be created has its own refusal, with params named from the call on; others are created."""
    sent = [
        item(user_id, "good"),
        item(user_id, requireable=None),
        item(user_id, required={"type": "User", "id": "5"}, key=7),
        None,
        "text",
        item(ABSENT_ID, "absent"),
        item(user_id, required={"type": "User", "id": ABSENT_ID}),
        item(user_id, "too"),
    ]
    answer = await create_many(client, application, *sent)
    assert verdicts(answer) == [CREATED, MISSING, INVALID, MISSING, INVALID, INVALID, INVALID, CREATED]
    assert errors_of(answer) == [
        [],
        [("requirements.1.requireable", "is required")],
        [
            ("requirements.2.required.id", f"must be an integer from 1 to {ABSENT_ID}"),
            ("requirements.2.key", "must be a string"),
        ],
        [("requirements.3", "is required")],
        [("requirements.4", "must be a hash")],
        [("requirements.5.required.id", "does not exist"), ("requirements.5.requireable.id", "does not exist")],
        [("requirements.6.required.id", "does not exist")],
        [],
    ]
    assert answer.outcome == "mixed"
    assert [record and record["value"] for record in records_of(answer)] == ["good", *[None] * 6, "too"]
    assert await values(records) == ["good", "too"]


@pytest.mark.parametrize("bad", [None, item(ABSENT_ID)])
async def test_nothing_was_written(client: Client, records: Records, application: AppRecord, bad: object) -> None:
    """If no item is created, the call was carried out nevertheless, and its outcome is none."""
    answer = await create_many(client, application, bad, bad)
    assert (answer.status, answer.outcome, answer.data["failed"]) == ("action-successful", "none", 2)
    assert await records.count() == 0


async def test_an_atomic_call_is_all(client: Client, records: Records, application: AppRecord, user_id: int) -> None:
    """An atomic call without a bad item creates all."""
    answer = await create_many(client, application, item(user_id, "a"), item(user_id, "b"), atomic=True)
    assert (verdicts(answer), answer.outcome) == ([CREATED] * 2, "created")
    assert await values(records) == ["a", "b"]


async def test_an_atomic_call_is_nothing(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """One bad item refuses an atomic call: every bad item is named, missing before invalid, and nothing is written."""
    good, absent = item(user_id, "good"), item(user_id, required={"type": "User", "id": ABSENT_ID})
    faults = [good, item(user_id, key=1), item(user_id, required=None), item(user_id, requireable={"type": "User"})]
    answer = await create_many(client, application, *faults, atomic=True)
    missing = (("requirements.2.required", "is required"), ("requirements.3.requireable.id", "is required"))
    assert (answer.code_and_body, answer.outcome) == (refusal(MissingParam, *missing), "none")
    answer = await create_many(client, application, good, item(user_id, key=1), absent, 5, atomic=True, session_view=1)
    invalid = (
        ("session_view", "must be a string"),
        ("requirements.1.key", "must be a string"),
        ("requirements.3", "must be a hash"),
    )
    assert answer.code_and_body == refusal(InvalidParam, *invalid)
    answer = await create_many(client, application, good, absent, good, absent, atomic=True)
    gone = tuple((f"requirements.{place}.required.id", "does not exist") for place in (1, 3))
    assert (answer.code_and_body, answer.outcome) == (refusal(InvalidParam, *gone), "none")
    assert await records.count() == 0


@pytest.mark.parametrize(
    ("sent", "status", "errors"),
    [
        ({}, MissingParam, [("requirements", "is required")]),
        ({"requirements": None}, MissingParam, [("requirements", "is required")]),
        ({"requirements": ""}, MissingParam, [("requirements", "is required")]),
        ({"requirements": {}}, InvalidParam, [("requirements", "must be a list of 1 to 1000 items")]),
        ({"requirements": [5], "atomic": "yes"}, InvalidParam, [("atomic", "must be true or false")]),
        ({"requirements": [5], "atomic": 1}, InvalidParam, [("atomic", "must be true or false")]),
    ],
)
async def test_params_of_the_call(
    client: Client, application: AppRecord, sent: Any, status: Any, errors: list[tuple[str, str]]
) -> None:
    """Faults of the call itself refuse it."""
    answer = await post(client, CREATE_MANY, application.token, **sent)
    assert (answer.code_and_body, answer.outcome) == (refusal(status, *errors), "none")


@pytest.mark.parametrize("path", [CREATE_MANY, DESTROY_MANY])
async def test_rejected_callers_learn_nothing(client: Client, path: str) -> None:
    """The token is judged before anything else in the body."""
    calls: list[Any] = [{}, {"requirements": [5], "ids": ["x"]}, {"requirements": [item(1)], "ids": [1]}]
    for sent in calls:
        answer = await post(client, path, "unknown", **sent)
        assert (answer.code_and_body, answer.outcome) == (refusal(InvalidToken), "none")


async def test_views(client: Client, application: AppRecord, user_id: int) -> None:
    """The views stand beside the verdicts."""
    answer = await create_many(client, application, item(user_id), application_view="default")
    assert answer.body["application"]["id"] == application.id


async def test_who_created_it_is_recorded(client: Client, records: Records, user_id: int) -> None:
    """The rows name the caller and the request."""
    session = await records.session("employee")
    headers = {"X-Request-ID": "call-7"}
    await post(client, CREATE_MANY, session.token, headers, requirements=[item(user_id), item(user_id)])
    rows = await records.connection.fetch("SELECT application_id, user_id, session_id, request_id FROM requirements")
    assert [tuple(row) for row in rows] == [(None, session.user_id, session.id, "call-7")] * 2


async def test_a_repeated_call_replays(client: Client, records: Records, application: AppRecord, user_id: int) -> None:
    """With a key, the written items are replayed, and those that were never written are attempted."""
    user, _ = await records.user()
    await records.connection.execute("DELETE FROM users WHERE id = $1", user)
    sent = [item(user_id, "a"), item(user, "late"), item(user_id, key=5), item(user_id, "b")]
    first = await create_many(client, application, *sent, headers=KEYED)
    assert verdicts(first) == [CREATED, INVALID, INVALID, CREATED]
    await records.connection.execute("INSERT INTO users (id, email) VALUES ($1, 'back@example.com')", user)
    again = await create_many(client, application, *sent, headers=KEYED)
    assert verdicts(again) == [REPLAYED, CREATED, INVALID, REPLAYED]
    assert [records_of(again)[place] for place in (0, 3)] == [records_of(first)[place] for place in (0, 3)]
    third = await create_many(client, application, *sent[:2], sent[2], sent[3], headers=KEYED)
    assert verdicts(third) == [REPLAYED, REPLAYED, INVALID, REPLAYED]
    assert await records.count() == 3


async def test_a_replay_is_one_outcome(client: Client, application: AppRecord, user_id: int) -> None:
    """A call whose items were all written has the outcome replayed."""
    first = await create_many(client, application, item(user_id, "a"), item(user_id, "a"), headers=KEYED, atomic=True)
    again = await create_many(client, application, item(user_id, "a"), item(user_id, "a"), headers=KEYED, atomic=True)
    assert (first.outcome, again.outcome) == ("created", "replayed")
    assert records_of(first) == records_of(again)


async def test_a_key_is_for_one_call(client: Client, records: Records, application: AppRecord, user_id: int) -> None:
    """Another call with the same key is refused and writes nothing, however many items it has."""
    gone = item(ABSENT_ID)
    await create_many(client, application, gone, gone, item(user_id, "c"), headers=KEYED)
    for sent in (
        [item(user_id, "a")],
        [gone, gone, item(user_id, "d")],
        [gone, gone, item(user_id, "c"), item(user_id, "e")],
        [item(user_id, "c"), gone, gone],
    ):
        answer = await create_many(client, application, *sent, headers=KEYED)
        assert (answer.code_and_body, answer.outcome) == (KEY_REUSED, "none")
    again = await create_many(client, application, gone, gone, item(user_id, "c"), headers=KEYED, atomic=True)
    assert again.code_and_body == KEY_REUSED
    assert await values(records) == ["c"]


async def test_keys_of_single_calls_are_not_for_batches(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """A key that was used for a create is refused for a batch, and the other way round."""
    made = (await post_create(client, params(application.token, user_id), KEYED)).data
    assert (await create_many(client, application, item(user_id), headers=KEYED)).code_and_body == KEY_REUSED
    destroy = await post(client, DESTROY_MANY, application.token, KEYED, ids=[made["id"]])
    assert destroy.code_and_body == KEY_REUSED
    other = {IDEMPOTENCY_KEY: "k-2"}
    await create_many(client, application, item(user_id), headers=other)
    assert (await post_create(client, params(application.token, user_id), other)).code_and_body == KEY_REUSED
    assert await records.count() == 2


async def test_a_key_outlives_its_requirements(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """A created requirement that was destroyed since is replayed as it was, and not created again."""
    first = await create_many(client, application, item(user_id, "a"), item(user_id, "b"), headers=KEYED)
    made = records_of(first)
    await post(client, DESTROY_MANY, application.token, ids=[made[0]["id"]])
    again = await create_many(client, application, item(user_id, "a"), item(user_id, "b"), headers=KEYED)
    assert (verdicts(again), records_of(again)) == ([REPLAYED] * 2, made)
    assert await values(records) == ["b"]


async def test_racing_calls_with_one_key(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """Of racing calls with one key, one creates and the others replay; with other params, they are refused."""
    calls = [
        create_many(client, application, item(user_id, "a"), item(user_id, value), headers=KEYED)
        for value in ("b", "b", "c", "b", "c", "b")
    ]
    answers = await asyncio.gather(*calls)
    refused = [answer for answer in answers if answer.status != "action-successful"]
    assert all(answer.code_and_body == KEY_REUSED for answer in refused)
    assert len(refused) in (2, 4)
    done = [answer for answer in answers if answer.status == "action-successful"]
    assert sorted(answer.outcome or "" for answer in done) == ["created", *["replayed"] * (len(done) - 1)]
    assert len({str(records_of(answer)) for answer in done}) == 1
    assert await records.count() == 2


async def test_a_batch_and_a_create_with_one_key(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """Of a create and a batch with the same key that wait together, one is refused and writes nothing."""
    async with other.transaction():
        await other.execute("LOCK TABLE requirements IN SHARE ROW EXCLUSIVE MODE")
        single = asyncio.create_task(post_create(client, params(application.token, user_id, value="s"), KEYED))
        await wait_for_lock_waiters(records.connection)
        batch = asyncio.create_task(
            create_many(client, application, item(user_id, "a"), item(user_id, "b"), headers=KEYED)
        )
        await wait_for_lock_waiters(records.connection, 2)
    created, batched = await single, await batch
    if created.outcome == "created":
        assert (batched.code_and_body, await values(records)) == (KEY_REUSED, ["s"])
    else:  # the create waited again, in a statement of its own
        assert (created.code_and_body, batched.outcome) == (KEY_REUSED, "created")
        assert await values(records) == ["a", "b"]


async def test_a_deleted_reference(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """A batch waits for a transaction that deletes a reference, and sees what it committed."""
    user, _ = await records.user()
    async with other.transaction():
        await other.execute("DELETE FROM users WHERE id = $1", user)
        call = asyncio.create_task(create_many(client, application, item(user_id, "a"), item(user, "b")))
        await wait_for_lock_waiters(records.connection)
    assert verdicts(await call) == [CREATED, INVALID]


async def test_references_are_held(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """A reference cannot be deleted between its check and the insert: the deletion waits for the batch."""
    await records.connection.execute(PAUSE)
    async with other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(77)")
        call = asyncio.create_task(create_many(client, application, item(user_id, "a")))
        await wait_for_lock_waiters(records.connection)
        held = await records.connection.fetch("SELECT id FROM users FOR UPDATE SKIP LOCKED")
        assert user_id not in [row["id"] for row in held]
    assert verdicts(await call) == [CREATED]


# The headers of a call, and what the message has in it by which it is committed: without a key, the statement itself.
COMMITS = [({"X-Request-ID": "call-9"}, "call-9"), (KEYED, COMMIT)]


@pytest.mark.parametrize(("headers", "marker"), COMMITS)
@pytest.mark.parametrize("atomic", [True, False])
async def test_a_lost_reply_is_not_done_twice(
    proxied_client: Client,
    proxy: Proxy,
    records: Records,
    application: AppRecord,
    user_id: int,
    headers: dict[str, str],
    marker: str,
    *,
    atomic: bool,
) -> None:
    """If the reply to the commit is lost, the batch is attempted again, and its rows are found."""
    proxy.lose_replies(marker, 1)
    sent = [item(user_id, f"v{n}") for n in range(5)] + [item(ABSENT_ID)] * (not atomic)
    answer = await create_many(proxied_client, application, *sent, headers=headers, atomic=atomic)
    assert proxy.lost == 1
    outcome = CREATED if marker == "call-9" else REPLAYED
    assert verdicts(answer) == [outcome] * 5 + [INVALID] * (not atomic)
    assert await values(records) == [f"v{n}" for n in range(5)]


async def test_a_reply_lost_before_the_commit(
    proxied_client: Client, proxy: Proxy, records: Records, application: AppRecord, user_id: int
) -> None:
    """If the connection is lost before the commit, nothing was written, and the batch is attempted again."""
    headers = {"X-Request-ID": "call-9", **KEYED}
    proxy.lose_replies("call-9", 1)
    answer = await create_many(proxied_client, application, item(user_id, "a"), item(user_id, "b"), headers=headers)
    assert proxy.lost == 1
    assert verdicts(answer) == [CREATED] * 2
    assert await values(records) == ["a", "b"]


async def test_a_refusal_after_a_lost_statement(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """If a statement was lost and its rows are not found, the refusal of an item is not definite."""
    await records.connection.execute(PAUSE)
    async with other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(77)")
        call = asyncio.create_task(create_many(client, application, item(user_id, "a"), item(ABSENT_ID)))
        await wait_for_lock_waiters(records.connection)
        await other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    answer = await call
    assert (answer.status, answer.outcome) == ("application-crash", "unknown")
    assert await values(records) == ["a"]


@pytest.mark.parametrize(("headers", "marker"), COMMITS)
async def test_a_lost_reply_after_a_destroy(
    proxied_client: Client,
    proxy: Proxy,
    records: Records,
    application: AppRecord,
    user_id: int,
    headers: dict[str, str],
    marker: str,
) -> None:
    """If the reply to the commit of destroy_many is lost, the requirements are found among the changes."""
    ids = await make(proxied_client, application, user_id, 3)
    proxy.lose_replies(marker, 1)
    answer = await post(proxied_client, DESTROY_MANY, application.token, headers, ids=[*ids, ABSENT_ID])
    assert proxy.lost == 1
    assert verdicts(answer) == [*[DESTROYED if marker == "call-9" else REPLAYED] * 3, INVALID]
    assert [record and record["id"] for record in records_of(answer)] == [*ids, None]
    assert len(await events(records)) == 6


@pytest.mark.parametrize("atomic", [True, False])
async def test_a_destroy_of_many(
    client: Client, records: Records, application: AppRecord, user_id: int, *, atomic: bool
) -> None:
    """The rows are gone, their records are returned in the order of the ids, and each is recorded."""
    ids = await make(client, application, user_id, 4)
    before = {
        record["id"]: record for record in [(await post(client, READ, application.token, id=n)).data for n in ids]
    }
    chosen = [ids[2], ids[0], ids[3]]
    answer = await post(client, DESTROY_MANY, application.token, ids=chosen, atomic=atomic)
    assert (verdicts(answer), answer.outcome) == ([DESTROYED] * 3, "destroyed")
    assert records_of(answer) == [before[number] for number in chosen]
    assert await values(records) == ["v1"]
    recorded = await events(records)
    assert sorted(recorded) == sorted(
        [(change, ids[n], f"v{n}") for change in ("created", "destroyed") for n in (0, 2, 3)]
    )
    assert [change for change, _, _ in recorded] == [*["created"] * 3, *["destroyed"] * 3]


async def test_a_verdict_on_each_id(client: Client, records: Records, application: AppRecord, user_id: int) -> None:
    """Each id that cannot be deleted has its own refusal; the others are deleted."""
    ids = await make(client, application, user_id, 2)
    answer = await post(client, DESTROY_MANY, application.token, ids=[ids[1], "x", None, ABSENT_ID, ids[1], 0, ids[0]])
    assert verdicts(answer) == [DESTROYED, INVALID, MISSING, INVALID, INVALID, INVALID, DESTROYED]
    bounds = f"must be an integer from 1 to {ABSENT_ID}"
    assert errors_of(answer) == [
        [],
        [("ids.1", bounds)],
        [("ids.2", "is required")],
        [("ids.3", "does not exist")],
        [("ids.4", "is listed twice")],
        [("ids.5", bounds)],
        [],
    ]
    assert answer.outcome == "mixed"
    assert await records.count() == 0


async def test_an_atomic_destroy_is_nothing(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """One id that cannot be deleted refuses an atomic call, and every such id is named."""
    ids = await make(client, application, user_id, 2)
    for sent, status, errors in (
        ([*ids, None, "x"], MissingParam, [("ids.2", "is required")]),
        ([*ids, ids[0]], InvalidParam, [("ids.2", "is listed twice")]),
        (
            [ids[0], ABSENT_ID, ids[1], ABSENT_ID - 1],
            InvalidParam,
            [("ids.1", "does not exist"), ("ids.3", "does not exist")],
        ),
    ):
        answer = await post(client, DESTROY_MANY, application.token, ids=sent, atomic=True)
        assert (answer.code_and_body, answer.outcome) == (refusal(status, *errors), "none")
    assert await records.count() == 2
    assert await events(records) == []


@pytest.mark.parametrize("ids", [[], [1] * 1001, "1", {"id": 1}, 5])
async def test_bounds_of_ids(client: Client, application: AppRecord, ids: object) -> None:
    """The ids are a list of 1 to 1,000."""
    answer = await post(client, DESTROY_MANY, application.token, ids=ids)
    assert answer.code_and_body == refusal(InvalidParam, ("ids", "must be a list of 1 to 1000 items"))


async def test_a_client_destroys_only_its_own(client: Client, records: Records, application: AppRecord) -> None:
    """To a user who is only a client, requirements of others do not exist."""
    own = await records.session("client")
    mine = (await post(client, CREATE_MANY, own.token, requirements=[item(own.user_id)])).data["results"][0]["data"]
    others = (await make(client, application, own.user_id, 1))[0]
    answer = await post(client, DESTROY_MANY, own.token, ids=[mine["id"], others])
    assert (verdicts(answer), errors_of(answer)[1]) == ([DESTROYED, INVALID], [("ids.1", "does not exist")])
    assert await values(records) == ["v0"]


async def test_a_repeated_destroy_replays(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """With a key, what was deleted is replayed as it was, and the rest is attempted; other ids are refused."""
    ids = await make(client, application, user_id, 3)
    later = max(ids) + 1
    first = await post(client, DESTROY_MANY, application.token, KEYED, ids=[ids[0], later, ids[1]])
    assert verdicts(first) == [DESTROYED, INVALID, DESTROYED]
    made = (await make(client, application, user_id, 1))[0]
    assert made == later
    again = await post(client, DESTROY_MANY, application.token, KEYED, ids=[ids[0], later, ids[1]])
    assert verdicts(again) == [REPLAYED, DESTROYED, REPLAYED]
    assert [records_of(again)[place] for place in (0, 2)] == [records_of(first)[place] for place in (0, 2)]
    other = await post(client, DESTROY_MANY, application.token, KEYED, ids=[ids[2]])
    assert (other.code_and_body, other.outcome) == (KEY_REUSED, "none")
    assert await values(records) == ["v2"]


async def test_racing_destroys(client: Client, records: Records, application: AppRecord, user_id: int) -> None:
    """Of racing batches that list the same ids in different orders, one deletes each, and all have a verdict."""
    ids = await make(client, application, user_id, 20)
    calls = [post(client, DESTROY_MANY, application.token, ids=ids[n:] + ids[:n]) for n in (0, 5, 10, 15)]
    answers = await asyncio.gather(*calls)
    destroyed = [record["id"] for answer in answers for record in records_of(answer) if record]
    assert sorted(destroyed) == ids
    assert len(await events(records)) == 40


async def test_an_event_names_who_destroyed(client: Client, records: Records, user_id: int) -> None:
    """The recorded change names the caller and the request, and the user who may see it."""
    own, employee = await records.session("client"), await records.session("employee")
    made = await post(client, CREATE_MANY, own.token, requirements=[item(user_id)])
    headers = {"X-Request-ID": "call-8"}
    await post(client, DESTROY_MANY, employee.token, headers, ids=[records_of(made)[0]["id"]])
    row = await records.connection.fetchrow(
        "SELECT user_id, session_id, request_id, owner_user_id FROM changes WHERE change = 'destroyed'"
    )
    assert row is not None
    assert tuple(row) == (employee.user_id, employee.id, "call-8", own.user_id)
