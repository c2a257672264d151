"""`changes` of both clients, against the service."""

import asyncio
import re
import time

import pytest

from service.client import (
    AsyncRequirements,
    Caller,
    Event,
    EventsPage,
    InvalidParam,
    NewRequirement,
    NoResponse,
    Reference,
    Requirement,
)
from tests.client.conftest import Calling
from tests.client.example import use_async, use_blocking
from tests.client.gateway import Gateway, crash, lose_response, say_nothing
from tests.factories import AppRecord


def events_of(pages: list[EventsPage]) -> list[tuple[str, Requirement]]:
    """What each event says."""
    return [(event.change, event.requirement) for page in pages for event in page.results]


async def test_every_change_in_order(call: Calling, application: AppRecord, user: Reference) -> None:
    """Without a cursor, `changes` returns everything; with `follow=False`, it ends where there is nothing new."""
    made = await call("create", user, user)
    changed = await call("update", made.id, value="new")
    await call("destroy", made.id)
    pages = await call("changes", follow=False, page_size=2)
    assert events_of(pages) == [("created", made), ("updated", changed), ("destroyed", changed)]
    assert [len(page.results) for page in pages] == [2, 1]
    first: Event = pages[0].results[0]
    assert first.caller == Caller(application.id, None, None)
    assert re.fullmatch("[0-9a-f]{32}", first.request_id or "")
    assert events_of(await call("changes", first.cursor, follow=False))[0] == ("updated", changed)
    assert await call("changes", pages[-1].next, follow=False) == []


async def test_now_is_a_cursor_without_events(call: Calling, user: Reference) -> None:
    """With "now", the first page has the cursor of this moment: what changes later is after it."""
    await call("create", user, user)
    (page,) = await call("changes", "now", follow=False)
    made = await call("create", user, user)
    assert page.results == ()
    assert events_of(await call("changes", page.next, follow=False)) == [("created", made)]


async def test_filters(call: Calling, user: Reference, app: Reference) -> None:
    """The filters reach the service; a key of None is a filter, and one that is not passed is none."""
    keyed = await call("create", user, app, key="tier")
    plain = await call("create", app, user)

    async def told(**filters: object) -> list[int]:
        return [record.id for _, record in events_of(await call("changes", follow=False, **filters))]

    assert await told() == [keyed.id, plain.id]
    assert await told(key=None) == await told(required="Application") == await told(requireable=user) == [plain.id]
    assert await told(key="tier") == await told(required=user) == [keyed.id]


async def test_a_cursor_of_nobody(call: Calling) -> None:
    """A cursor that the feed has not given raises `InvalidParam` on `after`."""
    with pytest.raises(InvalidParam, match="after"):
        await call("changes", "elsewhere")


async def test_following_waits_for_changes(requirements: AsyncRequirements, gateway: Gateway, user: Reference) -> None:
    """The iterator waits for changes, and goes on after losses and crashes without missing or repeating any."""
    pages = requirements.changes(wait_seconds=5)
    first = asyncio.ensure_future(anext(pages))
    while not gateway.received:
        await asyncio.sleep(0)
    made = await requirements.create(user, user)
    assert events_of([await first]) == [("created", made)]
    gateway.faults.extend([lose_response, crash("none"), lose_response])
    second = asyncio.ensure_future(anext(pages))
    while gateway.faults:
        await asyncio.sleep(0.01)
    many = (await requirements.create_many([NewRequirement(user, user)] * 3)).requirements()
    told = events_of([await second])
    while len(told) < len(many):
        told += events_of([await anext(pages)])
    assert told == [("created", record) for record in many]


async def test_waiting_extends_the_deadline(gateway: Gateway, application: AppRecord) -> None:
    """A call of `changes` may take `wait_seconds` beyond the deadline of other calls, and no longer."""
    gateway.faults.append(say_nothing)
    async with AsyncRequirements(gateway.url, application.token, deadline_seconds=0.3) as client:
        started = time.monotonic()
        with pytest.raises(NoResponse):
            await anext(client.changes(wait_seconds=1))
    assert 1.3 <= time.monotonic() - started < 2.3


async def test_following_must_wait(requirements: AsyncRequirements) -> None:
    """To follow without waiting would be a busy loop: it is refused."""
    with pytest.raises(ValueError, match="wait_seconds must be at least 1"):
        await anext(requirements.changes(wait_seconds=0))


async def test_the_example(service_url: str, application: AppRecord, user: Reference, app: Reference) -> None:
    """The example that uses everything runs; mypy checks it with the other tests."""
    told = await asyncio.to_thread(use_blocking, service_url, application.token, user, app)
    assert told[:2] == ["created tier", "updated tier"]
    assert told[-1] == "destroyed tier"
    assert await use_async(service_url, application.token, user, user) == ["created", "destroyed"]
