"""The actions `update` and `destroy`: what they change, for whom, and what a repeated or racing call does."""

import asyncio
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from service.api.app import create_app
from service.config import Config
from service.domain.references import MAX_ID
from service.domain.statuses import InvalidParam, InvalidToken, MissingParam
from tests.api.exchange import ApiResponse, Headers, post_create, read_envelope, refusal
from tests.conftest import AppClient, Client
from tests.factories import AppRecord, Records, params
from tests.proxy import Proxy

UPDATE = "/api/v1/requirements/update"
DESTROY = "/api/v1/requirements/destroy"
READ = "/api/v1/requirements/read"

ABSENT = refusal(InvalidParam, ("id", "does not exist"))
STALE = refusal(InvalidParam, ("if_updated_at", "is not the updated_at of the requirement any more"))
KEY_REUSED = refusal(InvalidParam, ("Idempotency-Key", "was used before, with other params"))

# How many statements wait for a lock.
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def post(client: Client, path: str, token: str, headers: Headers | None = None, **sent: object) -> ApiResponse:
    """Send a call of an action."""
    return await read_envelope(await client.post(path, json={"token": token, **sent}, headers=headers))


@pytest.fixture
async def made(client: Client, application: AppRecord, user_id: int) -> dict[str, Any]:
    """The record of a requirement with the key `tier` and the value `gold`."""
    data: dict[str, Any] = (
        await post_create(client, params(application.token, user_id, key="tier", value="gold"))
    ).data
    return data


async def events(records: Records) -> list[tuple[str, int, str | None]]:
    """The recorded changes: kind, requirement and value, in their order."""
    rows = await records.connection.fetch(
        "SELECT change, requirement_id, value FROM changes ORDER BY transaction_id, id"
    )
    return [tuple(row) for row in rows]


async def test_an_update_changes_what_is_passed(
    client: Client, records: Records, application: AppRecord, made: dict[str, Any]
) -> None:
    """Only what is passed changes, updated_at grows, and the row is what the answer says."""
    answer = await post(client, UPDATE, application.token, id=made["id"], value="silver")
    assert (answer.status, answer.outcome) == ("action-successful", "updated")
    assert answer.data == made | {"value": "silver", "updated_at": answer.data["updated_at"]}
    assert answer.data["updated_at"] > made["updated_at"]
    assert (await post(client, READ, application.token, id=made["id"])).data == answer.data
    assert await events(records) == [("created", made["id"], "gold"), ("updated", made["id"], "silver")]


async def test_null_clears(client: Client, application: AppRecord, made: dict[str, Any]) -> None:
    """A null clears the key or the value, and an empty text stays an empty text."""
    cleared = await post(client, UPDATE, application.token, id=made["id"], key=None)
    assert (cleared.data["key"], cleared.data["value"]) == (None, "gold")
    emptied = await post(client, UPDATE, application.token, id=made["id"], key="", value=None)
    assert (emptied.data["key"], emptied.data["value"]) == ("", None)


async def test_an_update_that_changes_nothing(
    client: Client, records: Records, application: AppRecord, made: dict[str, Any]
) -> None:
    """It succeeds with the record as it is, writes nothing, and says so."""
    answer = await post(client, UPDATE, application.token, id=made["id"], key="tier", value="gold")
    assert (answer.status, answer.outcome, answer.data) == ("action-successful", "none", made)
    assert await events(records) == []


async def test_updated_at_grows_strictly(client: Client, records: Records, application: AppRecord, made: Any) -> None:
    """updated_at grows with each change, also when another clock was ahead."""
    await records.connection.execute("UPDATE requirements SET updated_at = now() + interval '1 day'")
    before = (await post(client, READ, application.token, id=made["id"])).data["updated_at"]
    after = (await post(client, UPDATE, application.token, id=made["id"], value="x")).data["updated_at"]
    assert after > before


@pytest.mark.parametrize("moment", ["infinity", "294276-12-31 23:59:59+00", "4000-01-01 BC", "-infinity"])
async def test_far_times_do_not_prevent_a_change(
    client: Client, records: Records, application: AppRecord, made: dict[str, Any], moment: str
) -> None:
    """A requirement with any updated_at can be changed with the updated_at that its record shows, and destroyed."""
    await records.connection.execute("UPDATE requirements SET updated_at = $1::text::timestamptz", moment)
    shown = (await post(client, READ, application.token, id=made["id"])).data["updated_at"]
    changed = await post(client, UPDATE, application.token, id=made["id"], value="x", if_updated_at=shown)
    assert changed.outcome == "updated"
    assert (await post(client, DESTROY, application.token, id=made["id"])).outcome == "destroyed"


async def test_a_destroy_returns_the_record_as_it_was(
    client: Client, records: Records, application: AppRecord, made: dict[str, Any]
) -> None:
    """The row is gone, its record is returned and recorded, and a second destroy finds nothing."""
    answer = await post(client, DESTROY, application.token, id=made["id"])
    assert (answer.status, answer.outcome, answer.data) == ("action-successful", "destroyed", made)
    assert await records.count() == 0
    again = await post(client, DESTROY, application.token, id=made["id"])
    assert (again.code_and_body, again.outcome) == (ABSENT, "none")
    assert await events(records) == [("created", made["id"], "gold"), ("destroyed", made["id"], "gold")]


@pytest.mark.parametrize(("method", "path"), [("PUT", UPDATE), ("DELETE", DESTROY)])
async def test_other_methods(
    client: Client, application: AppRecord, made: dict[str, Any], method: str, path: str
) -> None:
    """An update takes PUT too, and a destroy DELETE."""
    sent = {"token": application.token, "id": made["id"], "value": "silver"}
    answer = await read_envelope(await client.request(method, path, json=sent))
    assert answer.status == "action-successful"


@pytest.mark.parametrize("path", [UPDATE, DESTROY])
@pytest.mark.parametrize("requirement_id", [1, MAX_ID])
async def test_an_absent_requirement(client: Client, application: AppRecord, path: str, requirement_id: int) -> None:
    """An id that does not exist is invalid."""
    answer = await post(client, path, application.token, id=requirement_id, value="x")
    assert (answer.code_and_body, answer.outcome) == (ABSENT, "none")


@pytest.mark.parametrize(
    ("sent", "errors"),
    [
        ({"id": 1}, [("key", "is required")]),
        ({"value": "x"}, [("id", "is required")]),
        ({}, [("id", "is required"), ("key", "is required")]),
        ({"id": None, "key": 1}, [("id", "is required")]),
    ],
)
async def test_missing_params(client: Client, application: AppRecord, sent: Any, errors: Any) -> None:
    """An update needs an id and something to change."""
    answer = await post(client, UPDATE, application.token, **sent)
    assert answer.code_and_body == refusal(MissingParam, *errors)


@pytest.mark.parametrize("path", [UPDATE, DESTROY])
async def test_rejected_callers_learn_nothing(client: Client, path: str, made: dict[str, Any]) -> None:
    """The token is judged before the params and before the requirement."""
    for sent in ({"id": "x", "key": 1}, {"id": made["id"], "key": "x"}, {"id": 77, "value": "x"}):
        answer = await post(client, path, "unknown", **sent)
        assert (answer.code_and_body, answer.outcome) == (refusal(InvalidToken), "none")


@pytest.mark.parametrize("path", [UPDATE, DESTROY])
async def test_if_updated_at(client: Client, application: AppRecord, made: dict[str, Any], path: str) -> None:
    """The change is made only while the requirement has that updated_at, in whatever zone it is written."""
    sent = {"id": made["id"], "value": "silver"}
    for text in ("2020-01-01T00:00:00Z", made["updated_at"].replace("Z", "+01:00")):
        stale = await post(client, path, application.token, **sent, if_updated_at=text)
        assert (stale.code_and_body, stale.outcome) == (STALE, "none")
    current = made["updated_at"].replace("Z", "+00:00")
    assert (await post(client, path, application.token, **sent, if_updated_at=current)).outcome in (
        "updated",
        "destroyed",
    )


@pytest.mark.parametrize("value", [1, "", "yesterday", "2026-11-23T10:00:00", [], "infinity"])
async def test_invalid_if_updated_at(client: Client, application: AppRecord, made: dict[str, Any], value: Any) -> None:
    """It must be a time with a zone."""
    answer = await post(client, DESTROY, application.token, id=made["id"], if_updated_at=value)
    assert (answer.status, answer.body["errors"][0]["param"]) == ("invalid-param", "if_updated_at")


async def test_racing_changes_with_the_same_if_updated_at(
    client: Client, application: AppRecord, made: dict[str, Any]
) -> None:
    """Exactly one of them succeeds."""
    sent = {"id": made["id"], "if_updated_at": made["updated_at"]}
    calls = (post(client, UPDATE, application.token, **sent, value=f"v{number}") for number in range(12))
    answers = await asyncio.gather(*calls)
    assert sorted(answer.outcome or "" for answer in answers) == ["none"] * 11 + ["updated"]
    assert all(answer.code_and_body == STALE for answer in answers if answer.outcome == "none")


async def test_racing_updates_are_all_recorded(
    client: Client, records: Records, application: AppRecord, made: dict[str, Any]
) -> None:
    """Updates of one requirement take turns: each is an event, and the last event is the row."""
    calls = (post(client, UPDATE, application.token, id=made["id"], value=f"v{number}") for number in range(12))
    answers = await asyncio.gather(*calls)
    assert {answer.outcome for answer in answers} == {"updated"}
    recorded = await events(records)
    assert [change for change, _, _ in recorded] == ["created", *["updated"] * 12]
    times = await records.connection.fetch("SELECT updated_at FROM changes ORDER BY updated_at")
    assert len({row["updated_at"] for row in times}) == 13
    value = await records.connection.fetchval("SELECT value FROM requirements")
    last = max(answers, key=lambda answer: answer.data["updated_at"])
    assert value == last.data["value"]


async def test_a_client_changes_only_its_own(client: Client, records: Records, application: AppRecord) -> None:
    """To a user who is only a client, requirements of others do not exist; an employee changes every one."""
    own, employee = await records.session("client"), await records.session("employee")
    by_own = (await post_create(client, params(own.token, own.user_id))).data["id"]
    by_application = (await post_create(client, params(application.token, own.user_id))).data["id"]
    for path in (UPDATE, DESTROY):
        assert (await post(client, path, own.token, id=by_application, key="x")).code_and_body == ABSENT
    assert (await post(client, UPDATE, own.token, id=by_own, key="x")).outcome == "updated"
    assert (await post(client, UPDATE, employee.token, id=by_own, key="y")).outcome == "updated"
    assert (await post(client, DESTROY, own.token, id=by_own)).outcome == "destroyed"


async def test_who_changed_it_is_recorded(client: Client, records: Records, made: dict[str, Any]) -> None:
    """An event names its caller and its request, and the user who may see it."""
    employee = await records.session("employee")
    answer = await post(
        client, UPDATE, employee.token, headers={"X-Request-ID": "call-7"}, id=made["id"], value="silver"
    )
    assert answer.outcome == "updated"
    row = await records.connection.fetchrow(
        "SELECT user_id, session_id, request_id, owner_user_id FROM changes WHERE change = 'updated'"
    )
    assert row is not None
    assert tuple(row) == (employee.user_id, employee.id, "call-7", None)


async def test_views(client: Client, application: AppRecord, made: dict[str, Any]) -> None:
    """The views stand beside the record."""
    answer = await post(client, UPDATE, application.token, id=made["id"], key="x", application_view="default")
    assert answer.body["application"]["id"] == application.id


@pytest.mark.parametrize("path", [UPDATE, DESTROY])
async def test_a_repeated_call_with_a_key(
    client: Client, records: Records, application: AppRecord, made: dict[str, Any], path: str
) -> None:
    """It replays the first answer, though the requirement was changed since; other params are refused."""
    key = {"Idempotency-Key": "k1"}
    first = await post(client, path, application.token, key, id=made["id"], value="silver")
    await records.connection.execute("UPDATE requirements SET value = 'other'")
    again = await post(client, path, application.token, key, id=made["id"], value="silver")
    assert (again.status, again.outcome, again.data) == ("action-successful", "replayed", first.data)
    other = await post(client, path, application.token, key, id=made["id"] + 1, value="silver")
    assert (other.code_and_body, other.outcome) == (KEY_REUSED, "none")
    changes = [change for change, _, _ in await events(records)]
    assert changes.count("updated" if path == UPDATE else "destroyed") == 1 + (path == UPDATE)


async def test_racing_calls_with_one_key(
    client: Client, records: Records, application: AppRecord, made: dict[str, Any]
) -> None:
    """One of them changes, the others replay it."""
    for path, outcome, count in ((UPDATE, "updated", 2), (DESTROY, "destroyed", 3)):
        calls = (
            post(client, path, application.token, {"Idempotency-Key": f"race-{path}"}, id=made["id"], value="silver")
            for _ in range(8)
        )
        answers = await asyncio.gather(*calls)
        assert sorted(answer.outcome or "" for answer in answers) == sorted([outcome, *["replayed"] * 7])
        assert len({str(answer.data) for answer in answers}) == 1
        assert len(await events(records)) == count


@pytest.mark.parametrize(("path", "outcome"), [(UPDATE, "updated"), (DESTROY, "destroyed")])
async def test_calls_with_one_key_that_wait_for_one_lock(
    client: Client,
    config: Config,
    records: Records,
    application: AppRecord,
    made: dict[str, Any],
    aiohttp_client: AppClient,
    database_url: str,
    path: str,
    outcome: str,
) -> None:
    """Of two calls at two workers that wait for the same row lock, one changes and the other replays it."""
    other = await asyncpg.connect(database_url)
    transaction = other.transaction()
    await transaction.start()
    await other.execute("SELECT FROM requirements FOR UPDATE")
    workers = (client, await aiohttp_client(create_app(config)))
    key = {"Idempotency-Key": "k1"}
    calls = [
        asyncio.ensure_future(post(worker, path, application.token, key, id=made["id"], value="silver"))
        for worker in workers
    ]
    while await records.connection.fetchval(WAITING) < len(calls):
        assert not any(call.done() for call in calls)
    await transaction.commit()
    await other.close()
    answers = await asyncio.gather(*calls)
    assert {answer.outcome for answer in answers} == {outcome, "replayed"}
    assert answers[0].data == answers[1].data


async def test_a_key_of_a_create_is_not_for_changes(client: Client, application: AppRecord, user_id: int) -> None:
    """A key that was used for a create is refused for an update and a destroy, also after the requirement is gone."""
    key = {"Idempotency-Key": "k2"}
    made = (await post_create(client, params(application.token, user_id), key)).data
    for path in (UPDATE, DESTROY):
        answer = await post(client, path, application.token, key, id=made["id"], value="x")
        assert answer.code_and_body == KEY_REUSED
    await post(client, DESTROY, application.token, id=made["id"])
    assert (await post(client, DESTROY, application.token, key, id=made["id"])).code_and_body == KEY_REUSED


async def test_a_key_outlives_its_requirement(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """A create repeated after the destroy is replayed with the record as it was, and makes none."""
    key = {"Idempotency-Key": "k3"}
    sent = params(application.token, user_id, key="tier")
    made = await post_create(client, sent, key)
    await post(client, DESTROY, application.token, id=made.data["id"])
    again = await post_create(client, sent, key)
    assert (again.status, again.outcome, again.data) == ("action-successful", "replayed", made.data)
    other = await post_create(client, params(application.token, user_id, key="other"), key)
    assert other.code_and_body == KEY_REUSED
    assert await records.count() == 0


async def test_a_key_of_a_change_is_not_for_creates(
    client: Client, records: Records, application: AppRecord, user_id: int, made: dict[str, Any]
) -> None:
    """A key that was used for a destroy is refused for a create."""
    key = {"Idempotency-Key": "k4"}
    await post(client, DESTROY, application.token, key, id=made["id"])
    assert (await post_create(client, params(application.token, user_id), key)).code_and_body == KEY_REUSED
    assert await records.count() == 0


@pytest.mark.parametrize("path", [UPDATE, DESTROY])
async def test_a_lost_reply_is_not_done_twice(
    config: Config,
    records: Records,
    application: AppRecord,
    made: dict[str, Any],
    proxy: Proxy,
    aiohttp_client: AppClient,
    path: str,
) -> None:
    """If the reply to the commit is lost, the change is attempted again and found: one event, and a definite answer."""
    database = replace(config.database, url=proxy.url)
    client = await aiohttp_client(create_app(replace(config, database=database)))
    await post(client, READ, application.token, id=made["id"])
    proxy.lose_replies("lost-call", 1)
    answer = await post(client, path, application.token, {"X-Request-ID": "lost-call"}, id=made["id"], value="silver")
    assert proxy.lost == 1
    assert (answer.status, answer.outcome) == ("action-successful", "updated" if path == UPDATE else "destroyed")
    assert len(await events(records)) == 2


@pytest.mark.parametrize("path", [UPDATE, DESTROY])
async def test_a_locked_requirement_is_waited_for(
    client: Client, records: Records, application: AppRecord, made: dict[str, Any], database_url: str, path: str
) -> None:
    """A change waits for a transaction that has locked the requirement, and sees what it committed."""
    other = await asyncpg.connect(database_url)
    transaction = other.transaction()
    await transaction.start()
    await other.execute("UPDATE requirements SET value = 'bronze'")
    call = asyncio.ensure_future(post(client, path, application.token, id=made["id"], key="x"))
    while not await records.connection.fetchval(WAITING):
        assert not call.done()
    await transaction.commit()
    await other.close()
    answer = await call
    assert answer.data["value"] == "bronze"
    assert answer.outcome == ("updated" if path == UPDATE else "destroyed")


async def test_a_create_and_its_destroy_are_events_of_other_software_too(records: Records) -> None:
    """A trigger records what other software does with SQL, without a caller."""
    run = records.connection.execute
    await run(
        "INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, value) "
        "VALUES ('User', 1, 'User', 2, 'a'), ('User', 1, 'User', 3, 'b')"
    )
    await run("UPDATE requirements SET value = 'c' WHERE value = 'a'")
    await run("UPDATE requirements SET value = value")
    await run("DELETE FROM requirements WHERE value = 'c'")
    await run("TRUNCATE requirements CASCADE")
    first, second = sorted({number for _, number, _ in await events(records)})
    assert await events(records) == [
        ("created", first, "a"),
        ("created", second, "b"),
        ("updated", first, "c"),
        ("destroyed", first, "c"),
        ("destroyed", second, "b"),
    ]


async def test_requirements_that_other_software_has_restored(
    client: Client, records: Records, application: AppRecord, made: dict[str, Any]
) -> None:
    """Rows that were copied with all columns, and restored or copied again, can be changed alone and in batches."""
    run, copied = records.connection.execute, made["id"] + 1000
    await run("CREATE TABLE copies AS SELECT * FROM requirements")
    await run("TRUNCATE requirements CASCADE; INSERT INTO requirements SELECT * FROM copies")
    await run("UPDATE copies SET id = $1, request_uid = gen_random_uuid()", copied)
    await run("INSERT INTO requirements SELECT * FROM copies; DROP TABLE copies")
    answer = await post(client, UPDATE, application.token, id=made["id"], value="silver")
    assert (answer.status, answer.outcome) == ("action-successful", "updated")
    await run("UPDATE requirements SET transaction_id = NULL WHERE id = $1", copied)
    answer = await post(client, f"{DESTROY}_many", application.token, ids=[made["id"], copied])
    assert [one["outcome"] for one in answer.data["results"]] == ["destroyed"] * 2
    assert [change for change, _, _ in await events(records)][-2:] == ["destroyed"] * 2
