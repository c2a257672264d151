"""The action `changes`: what an event contains, who sees it, and what a cursor is good for."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from service.api.app import create_app
from service.config import Config
from service.domain.statuses import InvalidParam
from tests.api.exchange import post_create, refusal, timestamp
from tests.api.feed import DESTROY, INSERT, UPDATE, pages, post, returned
from tests.conftest import AppClient, Client
from tests.factories import CHANGES, CREATE, AppRecord, Records, params

UNKNOWN = refusal(InvalidParam, ("after", "must be now, or a next or cursor that the feed of this database has given"))
NOT_KEPT = refusal(InvalidParam, ("after", "is no longer kept: read everything anew, and follow from now"))


async def test_an_event(client: Client, records: Records, user_id: int) -> None:
    """Each change is an event with the record after it, or before a destroy, its caller, its request and its time."""
    employee = await records.session("employee")
    application = await records.application()
    created = await post_create(client, params(application.token, user_id, value="gold"), {"X-Request-ID": "one"})
    number = created.data["id"]
    updated = await post(client, UPDATE, employee.token, {"X-Request-ID": "two"}, id=number, value="silver")
    await post(client, DESTROY, application.token, {"X-Request-ID": "three"}, id=number)
    answer = await post(client, CHANGES, application.token)
    assert answer.body["message"] == "The changes were read."
    first, second, third = answer.data["results"]
    by_application = {"application_id": application.id, "user_id": None, "session_id": None}
    by_employee = {"application_id": None, "user_id": employee.user_id, "session_id": employee.id}
    rows = await records.connection.fetch("SELECT changed_at FROM changes ORDER BY id")
    times = [timestamp(row["changed_at"]) for row in rows]
    for event, change, requirement, caller, request_id, at in (
        (first, "created", created.data, by_application, "one", created.data["created_at"]),
        (second, "updated", updated.data, by_employee, "two", times[1]),
        (third, "destroyed", updated.data, by_application, "three", times[2]),
    ):
        assert event.pop("cursor")
        assert event == {
            "change": change,
            "requirement": requirement,
            "caller": caller,
            "request_id": request_id,
            "at": at,
        }
    assert answer.data["complete"] is True


async def test_other_software(client: Client, records: Records, application: AppRecord) -> None:
    """Rows that other software writes are events, without a request; a TRUNCATE destroys each row."""
    run = records.connection.execute
    await run(INSERT, "a")
    await run(INSERT, "b")
    await run("UPDATE requirements SET value = 'c' WHERE value = 'a'")
    await run("DELETE FROM requirements WHERE value = 'c'")
    await run("TRUNCATE requirements CASCADE")
    data = [data async for data in pages(client, application.token, page={"size": 2})]
    events = [event for page in data for event in page["results"]]
    assert [(event["change"], event["requirement"]["value"]) for event in events] == [
        ("created", "a"),
        ("created", "b"),
        ("updated", "c"),
        ("destroyed", "c"),
        ("destroyed", "b"),
    ]
    assert {event["request_id"] for event in events} == {None}
    assert [page["complete"] for page in data] == [False, False, True]


async def test_next_goes_on_after_the_page(client: Client, records: Records, application: AppRecord) -> None:
    """Any page size gives the same events; every event's cursor and every next continue after it, with any filters."""
    for number in range(7):
        await records.connection.execute(INSERT, str(number))
    await records.connection.execute("UPDATE requirements SET value = value || '!' WHERE value IN ('2', '5')")
    everything = await returned(client, application.token)
    assert len(everything) == 9
    for size in (1, 2, 3, 9, 200):
        assert await returned(client, application.token, page={"size": size}) == everything
    events = (await post(client, CHANGES, application.token)).data["results"]
    for place, event in enumerate(events):
        assert await returned(client, application.token, after=event["cursor"]) == everything[place + 1 :]
        assert await returned(client, application.token, after=event["cursor"], key=None) == everything[place + 1 :]
    assert len({event["cursor"] for event in events}) == len(events)


async def test_nothing_new(client: Client, records: Records, application: AppRecord) -> None:
    """An empty page has the cursor that was sent; what is written then comes after it."""
    await records.connection.execute(INSERT, "a")
    first = (await post(client, CHANGES, application.token)).data
    again = (await post(client, CHANGES, application.token, after=first["next"])).data
    assert again == {"results": [], "complete": True, "next": first["next"]}
    await records.connection.execute(INSERT, "b")
    assert await returned(client, application.token, after=again["next"]) == [("created", "b")]


async def test_an_empty_feed_has_a_cursor(client: Client, records: Records, application: AppRecord) -> None:
    """The first page of an empty feed gives a cursor to follow from, and so does now."""
    data = (await post(client, CHANGES, application.token)).data
    now = (await post(client, CHANGES, application.token, after="now")).data
    await records.connection.execute(INSERT, "a")
    for cursor in (data["next"], now["next"]):
        assert await returned(client, application.token, after=cursor) == [("created", "a")]


async def test_now(client: Client, records: Records, application: AppRecord) -> None:
    """The cursor of the moment comes without events and without waiting; what is committed later comes after it."""
    await records.connection.execute(INSERT, "before")
    answer = (await post(client, CHANGES, application.token, after="now", wait_seconds=30)).data
    assert (answer["results"], answer["complete"]) == ([], True)
    await records.connection.execute(INSERT, "after")
    assert await returned(client, application.token, after=answer["next"]) == [("created", "after")]


async def test_filters(client: Client, records: Records, application: AppRecord) -> None:
    """required, requireable and key choose events by the record in them; a page that has none goes on."""
    insert = (
        "INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, key, value) "
        "VALUES ($1, $2, $3, $4, $5, $6)"
    )
    for row in (
        ("User", 1, "Service", 1, "tier", "a"),
        ("User", 2, "Service", 2, None, "b"),
        ("Service", 1, "User", 1, "", "c"),
    ):
        await records.connection.execute(insert, *row)
    for sent, values in (
        ({"required": {"type": "User"}}, "ab"),
        ({"required": {"type": "User", "id": 2}}, "b"),
        ({"requireable": {"type": "Service", "id": 1}}, "a"),
        ({"requireable": {"type": "User"}, "required": {"type": "User"}}, ""),
        ({"key": "tier"}, "a"),
        ({"key": None}, "b"),
        ({"key": ""}, "c"),
        ({"key": "other"}, ""),
    ):
        assert "".join([value or "" for _, value in await returned(client, application.token, **sent)]) == values
    first = (await post(client, CHANGES, application.token)).data
    none = (await post(client, CHANGES, application.token, key="other")).data
    assert none == {"results": [], "complete": True, "next": first["next"]}


@pytest.mark.parametrize("clients_see", ["own", "all"])
async def test_who_sees_what(config: Config, records: Records, aiohttp_client: AppClient, clients_see: str) -> None:
    """A client's session sees the events of requirements that its user created, whoever changed them."""
    requirements = replace(config.requirements, clients_see=clients_see)
    await records.deploy()
    client = await aiohttp_client(create_app(replace(config, requirements=requirements)))
    own, other, employee = [await records.session(role) for role in ("client", "client", "employee")]
    made = [
        (await post_create(client, params(session.token, session.user_id, value="new"))).data["id"]
        for session in (own, other)
    ]
    for number in made:
        await post(client, UPDATE, employee.token, id=number, value="changed")
        await post(client, DESTROY, employee.token, id=number)
    everything = [
        *[("created", "new")] * 2,
        *[("updated", "changed"), ("destroyed", "changed")] * 2,
    ]
    assert await returned(client, employee.token) == everything
    of_own = [("created", "new"), ("updated", "changed"), ("destroyed", "changed")]
    seen = everything if clients_see == "all" else of_own
    for session in (own, other):
        assert await returned(client, session.token) == seen


async def test_a_cursor_of_nobody(client: Client, records: Records, application: AppRecord) -> None:
    """A text that is not a cursor of the feed is refused, and so is one that was changed."""
    await records.connection.execute(INSERT, "a")
    cursor = (await post(client, CHANGES, application.token)).data["next"]
    changed = cursor[:-3] + ("A" if cursor[-3] != "A" else "B") + cursor[-2:]
    for text in ("", "Now", "x", changed, cursor + "A", cursor[:-1]):
        assert (await post(client, CHANGES, application.token, after=text)).code_and_body == UNKNOWN


async def test_a_cursor_of_another_database(client: Client, records: Records, application: AppRecord) -> None:
    """After a restore into another database, or of an older state, a cursor is refused, not read from another place."""
    run = records.connection.execute
    await run(INSERT, "a")
    cursor = (await post(client, CHANGES, application.token)).data["next"]
    await run("ALTER TABLE changes RENAME TO former; CREATE TABLE changes (LIKE former INCLUDING ALL)")
    assert (await post(client, CHANGES, application.token, after=cursor)).code_and_body == UNKNOWN


async def test_a_cursor_from_the_future(client: Client, records: Records, application: AppRecord) -> None:
    """A cursor beyond every transaction of the server was given before an older state was restored: it is refused."""
    await records.connection.execute(INSERT, "a")
    await records.connection.execute("UPDATE requirements SET transaction_id = NULL, change_id = NULL")
    await post(client, CHANGES, application.token)
    far = "UPDATE feed SET kept_after_transaction_id = '1000000000000'"
    await records.connection.execute(far)
    cursor = (await post(client, CHANGES, application.token)).data["next"]
    await records.connection.execute("UPDATE feed SET kept_after_transaction_id = '0'")
    assert (await post(client, CHANGES, application.token, after=cursor)).code_and_body == UNKNOWN


async def test_a_cursor_that_is_no_longer_kept(client: Client, records: Records, application: AppRecord) -> None:
    """A cursor before events that were purged is refused, so that its reader knows; the last purged one still works."""
    for value in ("a", "b", "c"):
        await records.connection.execute(INSERT, value)
    await records.connection.execute("UPDATE requirements SET value = 'd' WHERE value = 'c'")
    start = (await post(client, CHANGES, application.token, page={"size": 1})).data
    second = (await post(client, CHANGES, application.token, page={"size": 1}, after=start["next"])).data
    await records.connection.execute(
        "UPDATE feed SET (kept_after_transaction_id, kept_after_id) = "
        "(SELECT transaction_id, change_id FROM requirements WHERE value = 'b')"
    )
    assert (await post(client, CHANGES, application.token, after=start["next"])).code_and_body == NOT_KEPT
    kept = [("created", "c"), ("updated", "d")]
    assert await returned(client, application.token, after=second["next"]) == kept
    assert await returned(client, application.token) == kept


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"wait_seconds": 31}, ("wait_seconds", "must be an integer from 0 to 30")),
        ({"wait_seconds": -1}, ("wait_seconds", "must be an integer from 0 to 30")),
        ({"wait_seconds": 0.5}, ("wait_seconds", "must be an integer from 0 to 30")),
        ({"page": {"size": 201}}, ("page.size", "must be an integer from 1 to 200")),
        ({"page": 5}, ("page", "must be a hash of size")),
        ({"after": 5}, ("after", "must be a string")),
        ({"required": {"type": "Planet"}}, ("required.type", None)),
        ({"key": 5}, ("key", "must be a string")),
    ],
)
async def test_invalid_params(
    client: Client, application: AppRecord, sent: dict[str, Any], error: tuple[str, str | None]
) -> None:
    """Invalid params are named by their dotted path."""
    answer = await post(client, CHANGES, application.token, **sent)
    assert answer.status == "invalid-param"
    (found,) = answer.body["errors"]
    assert found["param"] == error[0]
    assert error[1] in (None, found["message"])


async def test_views(client: Client, application: AppRecord) -> None:
    """The views stand beside the events."""
    answer = await post(client, CHANGES, application.token, application_view="default")
    assert answer.body["application"]["id"] == application.id


async def test_following_creates(client: Client, application: AppRecord, user_id: int) -> None:
    """A reader who follows while others create, update and destroy can replay the table from the events."""
    ending = asyncio.Event()
    seen: dict[int, Any] = {}

    async def write(number: int) -> None:
        for step in range(10):
            made = await client.post(CREATE, json=params(application.token, user_id, value=f"{number}-{step}"))
            row = (await made.json())["data"]["id"]
            if step % 2:
                await post(client, UPDATE, application.token, id=row, value="changed")
            if step % 3 == 0:
                await post(client, DESTROY, application.token, id=row)

    async def follow() -> None:
        cursor = None
        while True:
            done = ending.is_set()
            data = (await post(client, CHANGES, application.token, after=cursor, page={"size": 3})).data
            cursor = data["next"]
            for event in data["results"]:
                requirement = event["requirement"]
                before = seen.pop(requirement["id"], None)
                assert (before is None) == (event["change"] == "created")
                if event["change"] == "destroyed":
                    assert before == requirement
                else:
                    seen[requirement["id"]] = requirement
            if done and data["complete"] and not data["results"]:
                return

    following = asyncio.create_task(follow())
    await asyncio.gather(*map(write, range(6)))
    ending.set()
    await following
    index = await post(client, "/api/v1/requirements/index", application.token, page={"size": 200})
    assert {row["id"]: row for row in index.data["results"]} == seen
