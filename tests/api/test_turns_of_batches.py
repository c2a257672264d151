"""Batches take turns with single requests: they have few connections, and leave the event loop to others."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from service.api.handlers.requirements import batches
from service.config import Config
from service.domain.list_params import CheckedItem, check_items
from tests.api.batches import CREATE_MANY, DESTROY_MANY, SYNC, item, post, records_of
from tests.api.exchange import post_create
from tests.api.waiting import wait_until
from tests.conftest import Client
from tests.factories import READ, AppRecord, Records, params

AT_A_TIME = 2
CHECKED_AT_A_TIME = 100
WAITING = """
SELECT count(*) = $1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
def config(config: Config) -> Config:
    """Settings by which two batches run at a time, and a lock is waited for as long as the test takes."""
    waits = replace(
        config.database, batch_pool_size=AT_A_TIME, lock_timeout_seconds=40.0, statement_timeout_seconds=50.0
    )
    return replace(config, database=waits, server=replace(config.server, request_timeout_seconds=60.0))


async def test_batches_that_wait_delay_no_create(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """However many batches wait for a lock, only two statements do, and single requests are carried out meanwhile."""
    token = application.token
    locked = {"type": "User", "id": (await records.user())[0]}
    (made,) = records_of(await post(client, CREATE_MANY, token, requirements=[item(user_id, requireable=locked)]))
    named = [item(user_id, required=locked)] * 10
    calls: list[tuple[str, dict[str, Any]]] = [
        (CREATE_MANY, {"requirements": named}),
        (DESTROY_MANY, {"ids": [made["id"]]}),
        (SYNC, {"requireable": locked, "requirements": []}),
    ]
    async with other.transaction():
        await other.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", locked["id"])
        await other.execute("SELECT FROM requirements FOR UPDATE")
        waiting = [asyncio.create_task(post(client, path, token, **sent)) for path, sent in calls * 3]
        await wait_until(records.connection, WAITING, AT_A_TIME)
        for _ in range(10):
            created = await post_create(client, params(token, user_id))
            assert created.status == "action-successful"
            assert (await post(client, READ, token, id=created.data["id"])).status == "action-successful"
        assert await records.connection.fetchval(WAITING, AT_A_TIME)
        assert not any(call.done() for call in waiting)
    answers = await asyncio.gather(*waiting)
    assert {answer.status for answer in answers} == {"action-successful"}


async def test_creates_are_answered_between_large_batches(client: Client, application: AppRecord, user_id: int) -> None:
    """A single create that arrives after many batches of 1,000 items is answered before half of them."""
    finished: list[str] = []

    async def note(name: str, call: Any) -> None:
        answer = await call
        assert answer.status == "action-successful"
        finished.append(name)

    items = [item(user_id, f"v{number}") for number in range(1000)]
    large = [
        asyncio.create_task(note("batch", post(client, CREATE_MANY, application.token, requirements=items)))
        for _ in range(4 * AT_A_TIME)
    ]
    while not all(batch.done() for batch in large):
        await note("create", post_create(client, params(application.token, user_id)))
    ends = [place for place, name in enumerate(finished) if name == "batch"]
    assert "create" in finished[: ends[len(large) // 2]]


async def test_items_are_checked_in_turns(
    client: Client, application: AppRecord, user_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other tasks run after each hundred items that are checked."""
    turns, checked_in_turn = 0, dict[int, int]()
    ending = asyncio.Event()

    async def count_turns() -> None:
        nonlocal turns
        while not ending.is_set():
            turns += 1
            await asyncio.sleep(0)

    def counted(schema: Any, items: Sequence[Any], first: int, prefix: str) -> Iterator[CheckedItem]:
        checked_in_turn[turns] = checked_in_turn.get(turns, 0) + len(items)
        return check_items(schema, items, first, prefix)

    monkeypatch.setattr(batches, "check_items", counted)
    counting = asyncio.create_task(count_turns())
    items = [item(user_id, f"v{number}") for number in range(1000)]
    answer = await post(client, CREATE_MANY, application.token, requirements=items)
    ending.set()
    await counting
    assert answer.data["succeeded"] == 1000
    assert list(checked_in_turn.values()) == [CHECKED_AT_A_TIME] * 10
