"""Which server answers: a replica that is near enough, and the primary whenever it must be."""

import asyncio
import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from service.api.action import Action
from service.api.app import create_app
from service.config import Config
from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from service.domain.statuses import InvalidParam
from service.storage.demo import Demo, make_demo
from tests.api.exchange import refusal
from tests.api.test_what_is_read import GRANTS
from tests.conftest import AppClient, Client
from tests.databases import connected, on_database
from tests.factories import ROUTES, AppRecord
from tests.proxy import proxied
from tests.replica.conftest import Cluster, standby_of, with_lag
from tests.replica.reading import PRIMARY, READS, REPLICA, post, reads_of, server, settled

Lagging = Callable[[Cluster], contextlib.AbstractAsyncContextManager[None]]


@pytest.fixture
async def demo(cluster: Cluster) -> Demo:
    """The demo records, on both servers."""
    demo = await make_demo(cluster.connection, ROUTES)
    await cluster.caught_up()
    return demo


def example_of(action: Action) -> dict[str, Any]:
    """Params that work on the demo records."""
    return dict(action.example)


async def create(client: Client, caller: AppRecord, user_id: int, value: str) -> int:
    """The id of a new requirement with this value."""
    reference = {"type": "User", "id": user_id}
    created = await post(client, "create", caller.token, required=reference, requireable=reference, value=value)
    requirement_id: int = created.data["id"]
    return requirement_id


async def cursor_of_now(client: Client, caller: AppRecord) -> str:
    """The cursor of the change feed after everything that was committed."""
    cursor = None
    while True:
        answer = await post(client, "changes", caller.token, after=cursor, page={"size": 200})
        if answer.data["complete"]:
            return str(answer.data["next"])
        cursor = answer.data["next"]


def test_only_reads_are_answered_by_replicas() -> None:
    """The four actions of the contract can be answered by a replica, and none that writes or returns the changes."""
    assert [action.name for action in READS] == ["read", "index", "closure", "path"]


@pytest.mark.parametrize("action", READS, ids=[action.name for action in READS])
async def test_a_replica_answers_as_the_primary_does(client: Client, demo: Demo, action: Action) -> None:
    """The replica answers, says so, and gives the answer of the primary. `fresh` makes the primary answer."""
    on_replica = await post(client, action.name, demo.application_token, **example_of(action))
    assert server(on_replica) == REPLICA
    for fresh in (True, False, None):
        answer = await post(client, action.name, demo.application_token, **example_of(action), fresh=fresh)
        assert server(answer) == (PRIMARY if fresh else REPLICA)
        assert answer.code_and_body == on_replica.code_and_body


async def test_pages_go_on_at_either_server(client: Client, demo: Demo) -> None:
    """The next of a page is valid on both servers."""
    for first, second in ((True, False), (False, True)):
        pages = []
        after = None
        for fresh in (first, second):
            answer = await post(client, "index", demo.application_token, page={"size": 1, "after": after}, fresh=fresh)
            assert server(answer) == (PRIMARY if fresh else REPLICA)
            pages.append(answer.data["results"][0]["id"])
            after = answer.data["page"]["next"]
        assert pages[0] > pages[1]


async def test_writes_and_changes_stay_on_the_primary(
    client: Client, cluster: Cluster, application: AppRecord, user_id: int
) -> None:
    """While the standby replays nothing, the feed returns a change at once."""
    before = await cursor_of_now(client, application)
    async with cluster.paused():
        requirement_id = await create(client, application, user_id, "new")
        answer = await post(client, "changes", application.token, after=before, wait_seconds=5)
    assert server(answer) == PRIMARY
    assert [event["requirement"]["id"] for event in answer.data["results"]] == [requirement_id]


async def test_fresh_sees_what_the_replica_lacks(
    patient: Client, cluster: Cluster, application: AppRecord, user_id: int
) -> None:
    """With `fresh` a read sees the last change. Without it, a replica answers that may be behind."""
    requirement_id = await create(patient, application, user_id, "old")
    async with cluster.paused():
        await post(patient, "update", application.token, id=requirement_id, value="new")
        for fresh, expected in ((True, (PRIMARY, "new")), (False, (REPLICA, "old"))):
            answer = await post(patient, "read", application.token, id=requirement_id, fresh=fresh)
            assert (server(answer), answer.data["value"]) == expected


async def test_read_after_a_cursor(patient: Client, cluster: Cluster, application: AppRecord, user_id: int) -> None:
    """A replica answers a read after a cursor if it has replayed that far; until then the primary answers."""
    requirement_id = await create(patient, application, user_id, "old")
    old = {"X-Read-After": await cursor_of_now(patient, application)}
    async with cluster.paused():
        await post(patient, "update", application.token, id=requirement_id, value="new")
        new = {"X-Read-After": await cursor_of_now(patient, application)}
        for after, expected in ((old, (REPLICA, "old")), (new, (PRIMARY, "new"))):
            answer = await post(patient, "read", application.token, after, id=requirement_id)
            assert (server(answer), answer.data["value"]) == expected
    for after in (old, new):
        answer = await post(patient, "read", application.token, after, id=requirement_id)
        assert (server(answer), answer.data["value"]) == (REPLICA, "new")


async def test_read_after_a_change_that_is_overtaken(
    patient: Client, cluster: Cluster, application: AppRecord, user_id: int
) -> None:
    """A replica that has replayed a later transaction, and not the one of the cursor, does not answer."""
    requirement_id = await create(patient, application, user_id, "old")
    async with connected(cluster.primary.url) as overtaken:
        transaction = overtaken.transaction()
        await transaction.start()
        await overtaken.execute("UPDATE requirements SET value = 'new' WHERE id = $1", requirement_id)
        await create(patient, application, user_id, "later")
        await cursor_of_now(patient, application)
        async with cluster.paused():
            await transaction.commit()
            new = {"X-Read-After": await cursor_of_now(patient, application)}
            answer = await post(patient, "read", application.token, new, id=requirement_id)
            assert (server(answer), answer.data["value"]) == (PRIMARY, "new")


@pytest.mark.parametrize("value", ["", "now", "x", "x" * 1000, "ü"])
async def test_an_invalid_cursor_to_read_after(client: Client, application: AppRecord, value: str) -> None:
    """What is no cursor of the feed is refused, as the feed does."""
    problem = ("X-Read-After", "must be a next or cursor that the feed of this database has given")
    await cursor_of_now(client, application)
    answer = await post(client, "index", application.token, {"X-Read-After": value})
    assert answer.code_and_body == refusal(InvalidParam, problem)


@pytest.mark.parametrize("lagging", [Cluster.paused, Cluster.cut_off], ids=["replays nothing", "receives nothing"])
async def test_a_replica_that_is_too_far_behind(
    config: Config,
    cluster: Cluster,
    application: AppRecord,
    user_id: int,
    aiohttp_client: AppClient,
    lagging: Lagging,
) -> None:
    """A read sees all that was committed `replica_max_lag_seconds` before it was sent, whatever the standby does."""
    seconds = 0.4
    client = await settled(await aiohttp_client(create_app(with_lag(config, seconds))))
    requirement_id = await create(client, application, user_id, "old")
    async with lagging(cluster):
        await post(client, "update", application.token, id=requirement_id, value="new")
        updated_at, seen = time.monotonic(), set()
        async with asyncio.timeout(20):
            while (PRIMARY, "new") not in seen:
                sent_at = time.monotonic()
                answer = await post(client, "read", application.token, id=requirement_id)
                seen.add((server(answer), answer.data["value"]))
                assert answer.data["value"] == "new" or sent_at - updated_at <= seconds
    await settled(client)
    answer = await post(client, "read", application.token, id=requirement_id)
    assert (server(answer), answer.data["value"]) == (REPLICA, "new")


def both(primary: str, standby: str) -> str:
    """A URL that names both servers."""
    folders = [parse_qs(urlsplit(url).query)["host"][0] for url in (primary, standby)]
    return f"postgresql://postgres@/requirements?host={','.join(folders)}"


async def test_the_standby_among_several_servers(
    config: Config, cluster: Cluster, demo: Demo, aiohttp_client: AppClient
) -> None:
    """If the URL names the primary and the standby, which may change places, the standby is the replica."""
    url = both(cluster.primary.url, cluster.standby.url)
    several = replace(config, database=replace(config.database, replica_url=url))
    client = await settled(await aiohttp_client(create_app(several)))
    assert server(await post(client, "index", demo.application_token)) == REPLICA


async def test_a_server_that_is_no_standby_is_not_used(
    config: Config, cluster: Cluster, demo: Demo, aiohttp_client: AppClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """A URL that leads to the primary, or to a database that is not a copy of its, makes the primary answer."""
    other = "another_database"
    await cluster.connection.execute(f"DROP DATABASE IF EXISTS {other}")
    await cluster.connection.execute(f"CREATE DATABASE {other}")
    async with connected(on_database(cluster.primary.url, other)) as connection:
        await migrate(connection, load_migrations(resource("sql") / "migrations"))
    await cluster.caught_up()
    for url, reason in (
        (cluster.primary.url, "None of the hosts match the target attribute requirement"),
        (on_database(cluster.standby.url, other), "is not a standby of the server in database.url"),
        (on_database(cluster.standby.url, "nowhere"), 'database "nowhere" does not exist'),
        (f"{cluster.standby.url}&connect_timeout=1".replace("port=", "port=1"), "FileNotFoundError"),
    ):
        wrong = replace(config, database=replace(config.database, replica_url=url))
        client = await aiohttp_client(create_app(wrong))
        logged = ""
        async with asyncio.timeout(20):
            while "replica-not-used" not in logged:
                assert server(await post(client, "index", demo.application_token)) == PRIMARY
                logged += capsys.readouterr().out
        assert reason in logged


async def test_an_address_that_leads_to_another_standby(
    config: Config, cluster: Cluster, demo: Demo, made: Path, tmp_path: Path, aiohttp_client: AppClient
) -> None:
    """Only the standby that is looked at answers. The same address may lead to one that is further behind."""
    async with (
        standby_of(cluster.primary, made, tmp_path) as other,
        proxied(cluster.standby.url) as proxy,
    ):
        through = replace(config, database=replace(config.database, replica_url=proxy.url))
        client = await settled(await aiohttp_client(create_app(through)))
        proxy.lead_to(other.url)
        assert server(await post(client, "index", demo.application_token)) == PRIMARY
        proxy.lead_to(cluster.standby.url)
        assert server(await post(client, "index", demo.application_token)) == REPLICA


async def test_readiness_shows_the_replica(client: Client, cluster: Cluster) -> None:
    """A worker without a replica that answers is ready, and says so."""
    for usable, text in ((True, "ok"), (False, "not used")):
        async with contextlib.AsyncExitStack() as stack:
            if not usable:
                await stack.enter_async_context(cluster.paused())
                await cluster.connection.execute("SELECT pg_switch_wal()")
            await settled(client, usable=usable)
            response = await client.get("/ready")
            body = await response.json()
            assert (response.status, body["status"], body["checks"]["replica"]) == (200, "ok", text)


async def test_reads_are_counted_by_server(client: Client, demo: Demo) -> None:
    """An operator sees how many reads each server has answered."""
    before = dict(reads_of(client).answered)
    for fresh in (True, False, False):
        await post(client, "index", demo.application_token, fresh=fresh)
    assert reads_of(client).answered == {"primary": before["primary"] + 1, "replica": before["replica"] + 2}


async def test_a_role_without_other_privileges(
    config: Config, cluster: Cluster, demo: Demo, aiohttp_client: AppClient
) -> None:
    """The database role needs no more privileges than without a replica."""
    role = "only_reads"
    await cluster.connection.execute(
        f"DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN; {GRANTS.format(role=role)}"
    )
    await cluster.caught_up()
    urls = [re.sub(r"//[^@/]*@", f"//{role}@", node.url) for node in (cluster.primary, cluster.standby)]
    own = replace(config, database=replace(config.database, url=urls[0], replica_url=urls[1]))
    client = await settled(await aiohttp_client(create_app(own)))
    assert server(await post(client, "index", demo.application_token)) == REPLICA
    await cluster.connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
