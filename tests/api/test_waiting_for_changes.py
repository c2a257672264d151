"""Calls of `changes` that wait: they end with the first event, hold no connection, and never delay a stop."""

import asyncio
import time
from typing import Any

import pytest

from service.api import keys
from service.api.change_watcher import ChangeWatcher
from service.api.turns import Turns
from service.database.errors import NotConnected
from service.domain.feed import Position
from tests.api.exchange import ApiResponse, read_envelope
from tests.api.feed import INSERT, post
from tests.conftest import Client
from tests.factories import CHANGES, AppRecord, Records

# Shorter than a waiting call may take, and longer than a busy machine takes.
SOON_SECONDS = 10.0


async def cursor_of_now(client: Client, token: str) -> str:
    """The cursor of this moment."""
    cursor: str = (await post(client, CHANGES, token, after="now")).data["next"]
    return cursor


def start(client: Client, token: str, cursor: str, **sent: object) -> asyncio.Task[ApiResponse]:
    """A call that waits for 30 seconds."""

    async def call() -> ApiResponse:
        sent_params = {"token": token, "after": cursor, "wait_seconds": 30, **sent}
        return await read_envelope(await client.post(CHANGES, json=sent_params))

    return asyncio.create_task(call())


def watcher_of(client: Client) -> ChangeWatcher:
    """The watcher of the service."""
    assert client.app is not None
    return client.app[keys.CHANGE_WATCHER]


async def until_waiting(client: Client, number: int) -> None:
    """Return once so many calls wait."""
    async with asyncio.timeout(SOON_SECONDS):
        while watcher_of(client).waiting_calls != number:
            await asyncio.sleep(0.01)


async def returned(call: asyncio.Task[ApiResponse]) -> list[Any]:
    """The values of the events in the answer of a call that should end soon."""
    answer = await asyncio.wait_for(call, SOON_SECONDS)
    assert answer.status == "action-successful", answer.body
    return [event["requirement"]["value"] for event in answer.data["results"]]


async def test_a_call_waits_for_an_event(client: Client, records: Records, application: AppRecord) -> None:
    """Calls end with what is written while they wait, all of them; meanwhile they hold no connection."""
    cursor = await cursor_of_now(client, application.token)
    calls = [start(client, application.token, cursor) for _ in range(20)]
    await until_waiting(client, 20)
    assert client.app is not None
    async with asyncio.timeout(SOON_SECONDS):
        while client.app[keys.READ_DATABASE].outstanding:
            await asyncio.sleep(0.01)
    assert not any(call.done() for call in calls)
    await records.connection.execute(INSERT, "new")
    assert [await returned(call) for call in calls] == [["new"]] * 20
    await until_waiting(client, 0)


async def test_one_statement_looks_for_all(client: Client, application: AppRecord) -> None:
    """However many calls wait, the feed is looked at a few times a second, and not at all when nobody waits."""
    cursor = await cursor_of_now(client, application.token)
    assert client.app is not None
    database = client.app[keys.READ_DATABASE]
    calls = [start(client, application.token, cursor) for _ in range(50)]
    await until_waiting(client, 50)
    began, before = time.monotonic(), database.statements
    while time.monotonic() < began + 0.5:
        await asyncio.sleep(0.01)
    assert 1 <= database.statements - before <= (time.monotonic() - began) / 0.15 + 1
    watcher_of(client).stop()
    assert [await returned(call) for call in calls] == [[]] * 50
    began, before = time.monotonic(), database.statements
    while time.monotonic() < began + 0.4:
        await asyncio.sleep(0.01)
    assert database.statements - before <= 1


async def test_an_event_of_before(client: Client, records: Records, application: AppRecord) -> None:
    """A call does not wait if there is an event already; one with wait_seconds 0 never waits."""
    cursor = await cursor_of_now(client, application.token)
    assert await returned(start(client, application.token, cursor, wait_seconds=0)) == []
    await records.connection.execute(INSERT, "old")
    await cursor_of_now(client, application.token)
    assert await returned(start(client, application.token, cursor)) == ["old"]


async def test_the_time_is_over(client: Client, application: AppRecord) -> None:
    """Without an event, the call ends when its time is over, with the same cursor."""
    cursor = await cursor_of_now(client, application.token)
    began = time.monotonic()
    answer = await start(client, application.token, cursor, wait_seconds=1)
    assert answer.data == {"results": [], "complete": True, "next": cursor}
    assert 1 <= time.monotonic() - began < SOON_SECONDS


async def test_events_for_others(client: Client, records: Records, application: AppRecord) -> None:
    """A call with filters waits for an event that passes them; other events do not end it."""
    session = await records.session("client")
    cursor = await cursor_of_now(client, application.token)
    calls = [
        start(client, application.token, cursor, key="wanted"),
        start(client, session.token, cursor),
    ]
    await until_waiting(client, 2)
    for value in ("a", "b"):
        await records.connection.execute(INSERT, value)
        await cursor_of_now(client, application.token)
    assert not any(call.done() for call in calls)
    await records.connection.execute(INSERT, "c")
    await records.connection.execute(
        "UPDATE requirements SET key = 'wanted', user_id = $1 WHERE value = 'c'", session.user_id
    )
    assert [await returned(call) for call in calls] == [["c"], ["c"]]


async def test_a_stop_ends_all_waiting(client: Client, application: AppRecord) -> None:
    """When the worker stops or is replaced, calls that wait are answered at once, and later ones do not wait."""
    cursor = await cursor_of_now(client, application.token)
    calls = [start(client, application.token, cursor) for _ in range(3)]
    await until_waiting(client, 3)
    watcher_of(client).stop()
    assert [await returned(call) for call in calls] == [[]] * 3
    assert await returned(start(client, application.token, cursor)) == []


async def test_too_many_waiting_calls(client: Client, application: AppRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that would be one too many to wait is refused at once with Retry-After, and can be retried."""
    monkeypatch.setattr("service.api.change_watcher.MAX_WAITING", 2)
    cursor = await cursor_of_now(client, application.token)
    calls = [start(client, application.token, cursor) for _ in range(2)]
    await until_waiting(client, 2)
    refused = await asyncio.wait_for(start(client, application.token, cursor), SOON_SECONDS)
    assert (refused.code, refused.status, refused.headers["Retry-After"]) == (500, "application-crash", "1")
    assert (await post(client, CHANGES, application.token, after=cursor)).status == "action-successful"
    watcher_of(client).stop()
    assert [await returned(call) for call in calls] == [[], []]


async def test_a_caller_who_leaves(client: Client, application: AppRecord) -> None:
    """A call whose caller has left stops waiting within seconds, so that it does not count any more."""
    cursor = await cursor_of_now(client, application.token)
    call = start(client, application.token, cursor)
    await until_waiting(client, 1)
    call.cancel()
    await until_waiting(client, 0)


async def test_a_database_that_is_away() -> None:
    """While the feed cannot be read, waiting goes on; the watcher looks again, and finds what came meanwhile."""
    answers: list[Position | Exception | None] = [NotConnected("away"), None, Position(7, 1)]

    async def read_newest() -> Position | None:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    watcher = ChangeWatcher(Turns(1, 1), read_newest)
    running = asyncio.create_task(watcher.run())
    async with watcher.waiting():
        assert await watcher.wait(Position(7, 0), SOON_SECONDS, 0)
        assert not await watcher.wait(Position(7, 1), 0.3, 0)
    running.cancel()
