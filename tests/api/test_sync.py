"""The action `sync`: what one thing requires becomes what the call lists, in one transaction."""

import asyncio
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from service.config import Config
from service.domain.statuses import InvalidParam, InvalidToken, MissingParam
from tests.api.batches import CREATE_MANY, DESTROY_MANY, SYNC, events, item, post, records_of
from tests.api.exchange import IDEMPOTENCY_KEY, ApiResponse, Headers, refusal
from tests.api.waiting import wait_for_lock_waiters
from tests.conftest import Client
from tests.factories import UPDATE, AppRecord, Records
from tests.proxy import Proxy

ABSENT_ID = 2**63 - 1
KEYED = {IDEMPOTENCY_KEY: "k-1"}
KEY_REUSED = refusal(InvalidParam, (IDEMPOTENCY_KEY, "was used before, with other params"))
COMMIT = "COMMIT\0"

# 10,001 requirements of one thing.
MANY = """
INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, key)
SELECT 'User', n, 'User', $1, CASE WHEN n > 1 THEN 'many' END FROM generate_series(1, 10001) AS n
"""


@pytest.fixture
def config(config: Config) -> Config:
    """Settings by which batches run side by side."""
    return replace(config, database=replace(config.database, batch_pool_size=4))


@pytest.fixture
async def thing(records: Records) -> dict[str, Any]:
    """What requires something: a user."""
    return {"type": "User", "id": (await records.user())[0]}


def listed(user_id: int, key: str | None = None, value: str | None = None) -> dict[str, Any]:
    """An item: the user is required."""
    return {"required": {"type": "User", "id": user_id}, "key": key, "value": value}


async def sync(
    client: Client,
    application: AppRecord,
    thing: dict[str, Any],
    *items: object,
    headers: Headers | None = None,
    **sent: object,
) -> ApiResponse:
    """Send a sync of what the thing requires."""
    return await post(client, SYNC, application.token, headers, requireable=thing, requirements=list(items), **sent)


def changes(answer: ApiResponse) -> list[tuple[str, str | None, str | None]]:
    """The changes in the answer, each with the key and the value of its requirement."""
    assert answer.status == "action-successful", answer.body
    return [(one["change"], one["requirement"]["key"], one["requirement"]["value"]) for one in answer.data["results"]]


def shown(answer: ApiResponse) -> list[Any]:
    """The requirements in the answer."""
    return [one["requirement"] for one in answer.data["results"]]


async def stored(records: Records, thing: dict[str, Any]) -> list[tuple[int, str | None, str | None]]:
    """The requirements of the thing in the table: what is required, key and value."""
    rows = await records.connection.fetch(
        "SELECT required_id, key, value FROM requirements WHERE requireable_type = 'User' AND requireable_id = $1"
        " ORDER BY required_id, key, value",
        thing["id"],
    )
    return [tuple(row) for row in rows]


async def test_it_creates_updates_destroys_and_keeps(
    client: Client, records: Records, application: AppRecord, user_id: int, thing: dict[str, Any]
) -> None:
    """What is missing is created, another value updated, what is not listed destroyed, and the rest kept."""
    first = await sync(
        client, application, thing, listed(user_id, "a", "1"), listed(user_id, "b", "1"), listed(user_id, "c", "1")
    )
    assert (changes(first), first.outcome) == ([("created", key, "1") for key in "abc"], "created")
    answer = await sync(
        client, application, thing, listed(user_id, "d", "4"), listed(user_id, "b", "2"), listed(user_id, "a", "1")
    )
    assert changes(answer) == [
        ("created", "d", "4"),
        ("updated", "b", "2"),
        ("kept", "a", "1"),
        ("destroyed", "c", "1"),
    ]
    assert answer.outcome == "mixed"
    assert await stored(records, thing) == [(user_id, "a", "1"), (user_id, "b", "2"), (user_id, "d", "4")]
    kept, updated, destroyed = shown(answer)[2], shown(answer)[1], shown(answer)[3]
    assert (kept, destroyed) == (shown(first)[0], shown(first)[2])
    assert updated == shown(first)[1] | {"value": "2", "updated_at": updated["updated_at"]}
    assert updated["updated_at"] > shown(first)[1]["updated_at"]
    ids = [record["id"] for record in shown(first)]
    assert sorted(await events(records)) == sorted(
        [
            ("created", ids[1], "1"),
            ("updated", ids[1], "2"),
            ("created", ids[2], "1"),
            ("destroyed", ids[2], "1"),
        ]
    )


async def test_what_is_as_listed_is_left_alone(
    client: Client, records: Records, application: AppRecord, user_id: int, thing: dict[str, Any]
) -> None:
    """A sync without a difference writes nothing, and its outcome is none; other things are never touched."""
    await post(client, CREATE_MANY, application.token, requirements=[item(user_id, "other")])
    first = await sync(client, application, thing, listed(user_id, "a"), listed(user_id))
    again = await sync(client, application, thing, listed(user_id), listed(user_id, "a"))
    assert (changes(again), again.outcome) == ([("kept", None, None), ("kept", "a", None)], "none")
    assert sorted(map(str, shown(again))) == sorted(map(str, shown(first)))
    emptied = await sync(client, application, thing)
    assert (changes(emptied), emptied.outcome) == ([("destroyed", "a", None), ("destroyed", None, None)], "destroyed")
    nothing = await sync(client, application, thing)
    assert (changes(nothing), nothing.outcome) == ([], "none")
    assert await records.count() == 1


async def test_equal_requirements_in_the_table(
    client: Client, records: Records, application: AppRecord, user_id: int, thing: dict[str, Any]
) -> None:
    """Of several that nothing distinguishes, the one with the listed value is kept, or else the oldest."""
    several = [item(user_id, value, requireable=thing, key=key) for key in "xy" for value in ("1", "2", "2")]
    made = records_of(await post(client, CREATE_MANY, application.token, requirements=several))
    ids = [record["id"] for record in made]
    answer = await sync(client, application, thing, listed(user_id, "x", "2"), listed(user_id, "y", "3"))
    assert [(one["change"], one["requirement"]["id"]) for one in answer.data["results"]] == [
        ("kept", ids[1]),
        ("updated", ids[3]),
        *(("destroyed", ids[place]) for place in (0, 2, 4, 5)),
    ]
    assert await stored(records, thing) == [(user_id, "x", "2"), (user_id, "y", "3")]


async def test_keys_in_question(
    client: Client, records: Records, application: AppRecord, user_id: int, thing: dict[str, Any]
) -> None:
    """With keys, only requirements with one of these keys are in question; null stands for those without a key."""
    await sync(client, application, thing, *(listed(user_id, key, "1") for key in ("a", "b", None)))
    answer = await sync(client, application, thing, listed(user_id, "a", "2"), keys=["a", "c"])
    assert changes(answer) == [("updated", "a", "2")]
    answer = await sync(client, application, thing, keys=[None])
    assert changes(answer) == [("destroyed", None, "1")]
    assert changes(await sync(client, application, thing, keys=[])) == []
    assert await stored(records, thing) == [(user_id, "a", "2"), (user_id, "b", "1")]


async def test_a_dry_run(
    client: Client, records: Records, application: AppRecord, user_id: int, thing: dict[str, Any]
) -> None:
    """A dry run returns what would be changed, checks the references, and changes nothing."""
    first = await sync(client, application, thing, listed(user_id, "a", "1"), listed(user_id, "b", "1"))
    before = shown(first)
    wanted = [listed(user_id, "c", "3"), listed(user_id, "b", "2")]
    planned = await sync(client, application, thing, *wanted, dry_run=True, headers=KEYED)
    new = {**wanted[0], "requireable": thing, "id": None, "created_at": None, "updated_at": None}
    assert planned.data["results"] == [
        {"change": "created", "requirement": new},
        {"change": "updated", "requirement": before[1] | {"value": "2"}},
        {"change": "destroyed", "requirement": before[0]},
    ]
    assert planned.outcome == "none"
    absent = await sync(client, application, thing, listed(ABSENT_ID), dry_run=True)
    assert absent.code_and_body == refusal(InvalidParam, ("requirements.0.required.id", "does not exist"))
    assert await stored(records, thing) == [(user_id, "a", "1"), (user_id, "b", "1")]
    assert await events(records) == []
    done = await sync(client, application, thing, *wanted, headers=KEYED)
    assert changes(done) == changes(planned)


@pytest.mark.parametrize(
    ("sent", "status", "errors"),
    [
        ({"requireable": None}, MissingParam, [("requireable", "is required")]),
        ({"requirements": None}, MissingParam, [("requirements", "is required")]),
        (
            {"requirements": [{}, None]},
            MissingParam,
            [("requirements.0.required", "is required"), ("requirements.1", "is required")],
        ),
        ({"requirements": "all"}, InvalidParam, [("requirements", "must be a list of 0 to 1000 items")]),
        ({"requirements": [listed(1)] * 1001}, InvalidParam, [("requirements", "must be a list of 0 to 1000 items")]),
        (
            {"requirements": [listed(1, "a"), listed(1, "b"), listed(1, "a", "other")]},
            InvalidParam,
            [("requirements.2", "is listed twice")],
        ),
        (
            {"requirements": [listed(1, "a"), listed(1)], "keys": ["b", None]},
            InvalidParam,
            [("requirements.0.key", "is not one of keys")],
        ),
        (
            {"keys": ["a", 5, "\0"]},
            InvalidParam,
            [("keys.1", "must be a string"), ("keys.2", "must not contain the NUL character")],
        ),
        (
            {"keys": "a", "dry_run": 1},
            InvalidParam,
            [("keys", "must be a list of 0 to 1000 items"), ("dry_run", "must be true or false")],
        ),
    ],
)
async def test_invalid_params(
    client: Client, application: AppRecord, thing: dict[str, Any], sent: Any, status: Any, errors: Any
) -> None:
    """Everything that is missing is named, or else everything that is invalid, and nothing is written."""
    call = {"requireable": thing, "requirements": [], **sent}
    answer = await post(client, SYNC, application.token, **call)
    assert (answer.code_and_body, answer.outcome) == (refusal(status, *errors), "none")
    assert (await post(client, SYNC, "unknown", **call)).code_and_body == refusal(InvalidToken)


async def test_absent_references(
    client: Client, records: Records, application: AppRecord, user_id: int, thing: dict[str, Any]
) -> None:
    """If a reference of a new requirement does not exist, nothing is changed, and each one is named."""
    await sync(client, application, thing, listed(user_id, "a", "1"))
    answer = await sync(
        client, application, thing, listed(ABSENT_ID, "x"), listed(user_id, "a", "2"), listed(ABSENT_ID, "y")
    )
    errors = [(f"requirements.{place}.required.id", "does not exist") for place in (0, 2)]
    assert (answer.code_and_body, answer.outcome) == (refusal(InvalidParam, *errors), "none")
    assert await stored(records, thing) == [(user_id, "a", "1")]
    nobody = {"type": "User", "id": ABSENT_ID}
    for dry_run in (False, True):
        answer = await sync(client, application, nobody, listed(user_id, "a"), listed(user_id, "b"), dry_run=dry_run)
        assert answer.code_and_body == refusal(InvalidParam, ("requireable.id", "does not exist"))


async def test_a_target_that_is_gone(
    client: Client, records: Records, application: AppRecord, user_id: int, thing: dict[str, Any]
) -> None:
    """References are checked for what is created: requirements of things that are gone can be kept and destroyed."""
    await sync(client, application, thing, listed(user_id, "a"), listed(user_id, "b"))
    await records.connection.execute("DELETE FROM users")
    answer = await sync(client, application, thing, listed(user_id, "a", "2"))
    assert changes(answer) == [("updated", "a", "2"), ("destroyed", "b", None)]


async def test_a_client_syncs_only_its_own(
    client: Client, records: Records, application: AppRecord, user_id: int, thing: dict[str, Any]
) -> None:
    """A session whose user is only a client sees and changes the requirements that this user created."""
    own = await records.session("client")
    await sync(client, application, thing, listed(user_id, "a", "1"))
    answer = await post(client, SYNC, own.token, requireable=thing, requirements=[listed(user_id, "a", "2")])
    assert changes(answer) == [("created", "a", "2")]
    assert changes(await post(client, SYNC, own.token, requireable=thing, requirements=[])) == [("destroyed", "a", "2")]
    assert await stored(records, thing) == [(user_id, "a", "1")]


async def test_too_many_requirements(
    client: Client, records: Records, application: AppRecord, thing: dict[str, Any]
) -> None:
    """More than 10,000 requirements in question are refused; keys make them fewer."""
    await records.connection.execute(MANY, thing["id"])
    answer = await sync(client, application, thing)
    problem = "has more than 10000 requirements: name the keys that are in question"
    assert (answer.code_and_body, answer.outcome) == (refusal(InvalidParam, ("requireable", problem)), "none")
    answer = await sync(client, application, thing, keys=["many"])
    assert changes(answer) == [("destroyed", "many", None)] * 10_000
    assert await records.count() == 1
    assert changes(await sync(client, application, thing)) == [("destroyed", None, None)]


async def test_a_repeated_sync_replays(
    client: Client, records: Records, application: AppRecord, user_id: int, thing: dict[str, Any]
) -> None:
    """With a key, the changes that were made are replayed as they were, and what was kept is as it is now."""
    await sync(client, application, thing, listed(user_id, "a", "1"), listed(user_id, "b", "1"), listed(user_id, "c"))
    wanted = [listed(user_id, "new", "1"), listed(user_id, "a", "1"), listed(user_id, "b", "2")]
    first = await sync(client, application, thing, *wanted, headers=KEYED)
    assert [change for change, _, _ in changes(first)] == ["created", "kept", "updated", "destroyed"]
    again = await sync(client, application, thing, *wanted, headers=KEYED)
    assert (again.data, again.outcome) == (first.data, "replayed")
    for record in shown(first)[:3]:
        await post(client, UPDATE, application.token, id=record["id"], value="later")
    await post(client, DESTROY_MANY, application.token, ids=[shown(first)[2]["id"]])
    later = await sync(client, application, thing, *wanted, headers=KEYED)
    assert changes(later) == [
        ("created", "new", "1"),
        ("kept", "a", "later"),
        ("updated", "b", "2"),
        ("destroyed", "c", None),
    ]
    assert later.outcome == "replayed"
    assert await stored(records, thing) == [(user_id, "a", "later"), (user_id, "new", "later")]
    for other in ([], wanted[:2], [*wanted[:2], listed(user_id, "b", "3")]):
        assert (await sync(client, application, thing, *other, headers=KEYED)).code_and_body == KEY_REUSED
    assert (await sync(client, application, thing, *wanted, headers=KEYED, keys=["a", "b", "new"])).code_and_body == (
        KEY_REUSED
    )


async def test_a_repeated_sync_is_replayed_whatever_its_limit(
    client: Client, records: Records, application: AppRecord, user_id: int, thing: dict[str, Any]
) -> None:
    """The limit of 10,000 requirements is for syncs that are carried out, not for those that are replayed."""
    first = await sync(client, application, thing, listed(user_id, "new"), headers=KEYED)
    await records.connection.execute(MANY, thing["id"])
    again = await sync(client, application, thing, listed(user_id, "new"), headers=KEYED)
    assert (again.data, again.outcome) == (first.data, "replayed")
    assert await records.count() == 10_002


async def test_racing_syncs_of_one_thing(
    client: Client, records: Records, application: AppRecord, user_id: int, thing: dict[str, Any]
) -> None:
    """Syncs of one thing take turns: the table is as one of them lists, and each requirement is created once."""
    lists = [[listed(user_id, key, str(number)) for key in "abcde"] for number in range(6)]
    answers = await asyncio.gather(*(sync(client, application, thing, *items) for items in lists))
    made = [change for answer in answers for change, _, _ in changes(answer)]
    assert sorted(made) == ["created"] * 5 + ["updated"] * 25
    found = {value for _, _, value in await stored(records, thing)}
    assert len(found) == 1
    assert await records.count() == 5


async def test_a_sync_waits_for_another_of_the_same_thing(
    client: Client,
    records: Records,
    application: AppRecord,
    user_id: int,
    thing: dict[str, Any],
    other: asyncpg.Connection,
) -> None:
    """A sync that begins while another one of the same thing runs sees what that one has committed."""
    # Both would insert at once, if the second one did not wait before it looks at what there is.
    async with other.transaction():
        await other.execute("SELECT FROM users FOR UPDATE")
        calls = [asyncio.create_task(sync(client, application, thing, listed(user_id, "a", "1"))) for _ in range(2)]
        await wait_for_lock_waiters(records.connection, 2)
    made = [change for call in calls for change in changes(await call)]
    assert sorted(made) == [("created", "a", "1"), ("kept", "a", "1")]
    assert await records.count() == 1


async def test_a_locked_requirement_is_waited_for(
    client: Client,
    records: Records,
    application: AppRecord,
    user_id: int,
    thing: dict[str, Any],
    other: asyncpg.Connection,
) -> None:
    """A sync waits for a transaction that changes one of its requirements, and sees what it committed."""
    await sync(client, application, thing, listed(user_id, "a", "1"), listed(user_id, "b", "1"))
    async with other.transaction():
        await other.execute("UPDATE requirements SET value = '2' WHERE key = 'a'")
        await other.execute("DELETE FROM requirements WHERE key = 'b'")
        call = asyncio.create_task(
            sync(client, application, thing, listed(user_id, "a", "2"), listed(user_id, "b", "1"))
        )
        await wait_for_lock_waiters(records.connection)
    assert changes(await call) == [("kept", "a", "2"), ("created", "b", "1")]


@pytest.mark.parametrize("headers", [{}, KEYED])
@pytest.mark.parametrize("marker", [COMMIT, "call-9"])
async def test_a_lost_reply_is_not_done_twice(
    proxied_client: Client,
    proxy: Proxy,
    records: Records,
    application: AppRecord,
    user_id: int,
    thing: dict[str, Any],
    headers: dict[str, str],
    marker: str,
) -> None:
    """Whichever reply of the database is lost, each change is made once, and the answer is definite."""
    await sync(proxied_client, application, {"type": "User", "id": user_id}, listed(user_id, "first"))
    await records.connection.execute(
        "INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, key)"
        " VALUES ('User', $1, 'User', $2, 'old'), ('User', $1, 'User', $2, 'b')",
        user_id,
        thing["id"],
    )
    proxy.lose_replies(marker, 1)
    wanted = [listed(user_id, "a", "1"), listed(user_id, "b", "2")]
    answer = await sync(proxied_client, application, thing, *wanted, headers={"X-Request-ID": "call-9", **headers})
    assert changes(answer) == [("created", "a", "1"), ("updated", "b", "2"), ("destroyed", "old", None)]
    assert await stored(records, thing) == [(user_id, "a", "1"), (user_id, "b", "2")]
    assert len(await events(records)) == 4
    assert answer.outcome == ("replayed" if headers and marker == COMMIT else "mixed")
    assert proxy.lost == 1


@pytest.mark.parametrize("event", ["INSERT", "UPDATE", "DELETE"])
async def test_a_sync_whose_change_is_discarded_is_nothing(
    client: Client, records: Records, application: AppRecord, user_id: int, thing: dict[str, Any], event: str
) -> None:
    """If a trigger of other software discards one of its changes, none is made."""
    await sync(client, application, thing, listed(user_id, "a", "1"), listed(user_id, "b", "1"))
    await records.connection.execute(
        "CREATE FUNCTION discard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
        f"CREATE TRIGGER discard BEFORE {event} ON requirements FOR EACH ROW EXECUTE FUNCTION discard()"
    )
    answer = await sync(client, application, thing, listed(user_id, "a", "2"), listed(user_id, "new", "1"))
    assert (answer.status, answer.outcome) == ("application-crash", "none")
    assert await stored(records, thing) == [(user_id, "a", "1"), (user_id, "b", "1")]


async def test_a_sync_that_fails_is_nothing(
    client: Client, records: Records, application: AppRecord, user_id: int, thing: dict[str, Any]
) -> None:
    """If one of its changes cannot be made, none is."""
    await sync(client, application, thing, listed(user_id, "a", "1"), listed(user_id, "b", "1"))
    await records.connection.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;"
        "CREATE TRIGGER refuse BEFORE DELETE ON requirements FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    answer = await sync(client, application, thing, listed(user_id, "a", "2"), listed(user_id, "new", "1"))
    assert (answer.status, answer.outcome) == ("application-crash", "none")
    assert await stored(records, thing) == [(user_id, "a", "1"), (user_id, "b", "1")]
    assert await events(records) == []
