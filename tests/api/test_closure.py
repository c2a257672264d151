"""The action `closure`: everything that a thing requires in the end, over HTTP."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from service.api import walking
from service.api.app import create_app
from service.config import Config
from service.domain.references import MAX_ID, Reference
from service.domain.statuses import InvalidParam, InvalidToken, MissingParam, Overloaded
from service.storage import requirement_graph
from tests.api.exchange import ApiResponse, post_create_by, read_envelope, refusal
from tests.conftest import AppClient, Client
from tests.factories import CLOSURE, AppRecord, Records
from tests.graphs import Edge, insert_edges
from tests.proxy import Proxy

SERVICE, USER, TEAM = Reference("Service", 1), Reference("User", 1), Reference("User", 2)
OF_SERVICE = {"type": "Service", "id": 1}
UNKNOWN_CURSOR = refusal(InvalidParam, ("page.after", "must be the next of a page with the same params and caller"))
CHAIN = [Edge(1, SERVICE, USER, key="a"), Edge(2, USER, TEAM, key="b"), Edge(3, TEAM, SERVICE)]


async def post_closure(client: Client, token: str, of: object = OF_SERVICE, **more: object) -> ApiResponse:
    """Ask for a closure."""
    return await read_envelope(await client.post(CLOSURE, json={"token": token, "of": of, **more}))


def reached(thing: Reference, depth: int, requirement_id: int) -> dict[str, object]:
    """A thing in an answer."""
    return {"type": thing.type, "id": thing.id, "depth": depth, "requirement_id": requirement_id}


def closing(edge: Edge) -> dict[str, object]:
    """A requirement that closes a cycle in an answer."""
    ends = {
        name: {"type": end.type, "id": end.id} for name, end in zip(("requireable", "required"), edge[1:3], strict=True)
    }
    return {"requirement_id": edge.id, **ends}


async def test_a_closure(client: Client, connection: asyncpg.Connection, application: AppRecord) -> None:
    """The answer has each thing with depth and requirement, the cycles, and the view that is asked for."""
    await insert_edges(connection, CHAIN)
    answer = await post_closure(client, application.token, application_view="default")
    data = {
        "results": [reached(USER, 1, 1), reached(TEAM, 2, 2)],
        "complete": True,
        "page": {"size": 10_000, "next": None},
        "cycles": [closing(CHAIN[2])],
    }
    view = {"id": application.id, "slug": application.slug, "name": application.slug.title()}
    body = {"status": "action-successful", "message": "The things were found.", "data": data, "application": view}
    assert answer.code_and_body == (200, body)
    assert answer.outcome is None


async def test_directions(client: Client, connection: asyncpg.Connection, application: AppRecord) -> None:
    """required_by follows requirements backwards, and returns the requirement that closes a cycle with its own ends."""
    await insert_edges(connection, CHAIN)
    forwards = await post_closure(client, application.token, direction="requires")
    assert forwards.data == (await post_closure(client, application.token, direction=None)).data
    backwards = await post_closure(client, application.token, direction="required_by")
    assert backwards.data["results"] == [reached(TEAM, 1, 3), reached(USER, 2, 2)]
    assert backwards.data["cycles"] == [closing(CHAIN[0])]


@pytest.mark.parametrize(
    ("params", "ids"),
    [
        ({"max_depth": 1}, [1]),
        ({"max_depth": None}, [1, 2]),
        ({"key": "a"}, [1]),
        ({"key": "c"}, []),
        ({"key": None}, []),
    ],
)
async def test_filters(
    client: Client, connection: asyncpg.Connection, application: AppRecord, params: dict[str, object], ids: list[int]
) -> None:
    """max_depth bounds the walk; key leaves only the requirements with exactly this key, null those without one."""
    await insert_edges(connection, CHAIN)
    data = (await post_closure(client, application.token, **params)).data
    assert [result["requirement_id"] for result in data["results"]] == ids
    assert data["complete"] is True


async def test_a_thing_that_does_not_exist(client: Client, application: AppRecord) -> None:
    """What no requirement names requires nothing."""
    data = (await post_closure(client, application.token, {"type": "User", "id": MAX_ID})).data
    assert (data["results"], data["cycles"], data["complete"]) == ([], [], True)


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"of": {"type": "user", "id": 1}}, "of.type"),
        ({"of": {"type": "User", "id": "1"}}, "of.id"),
        ({"of": 5}, "of"),
        ({"direction": "up"}, "direction"),
        ({"direction": 1}, "direction"),
        ({"key": 1}, "key"),
        ({"key": "x" * 256}, "key"),
        ({"max_depth": 0}, "max_depth"),
        ({"max_depth": 65}, "max_depth"),
        ({"max_depth": 1.0}, "max_depth"),
        ({"max_depth": True}, "max_depth"),
        ({"page": []}, "page"),
        ({"page": {"size": 0}}, "page.size"),
        ({"page": {"size": 10_001}}, "page.size"),
        ({"page": {"after": 1}}, "page.after"),
        ({"page": {"after": "x"}}, "page.after"),
        ({"page": {"after": "ü"}}, "page.after"),
    ],
)
async def test_invalid_params(client: Client, application: AppRecord, params: dict[str, object], error: str) -> None:
    """An invalid param is named by its dotted path."""
    answer = await post_closure(client, application.token, **params)
    assert (answer.status, [each["param"] for each in answer.body["errors"]]) == ("invalid-param", [error])


@pytest.mark.parametrize(
    ("of", "missing"), [(None, ["of"]), ("", ["of"]), ({}, ["of.type", "of.id"]), ({"type": "User"}, ["of.id"])]
)
async def test_missing_params(client: Client, application: AppRecord, of: object, missing: list[str]) -> None:
    """A missing part is named by its dotted path. An unknown caller learns nothing about params."""
    answer = await post_closure(client, application.token, of)
    assert answer.code_and_body == refusal(MissingParam, *[(param, "is required") for param in missing])
    assert (await post_closure(client, "unknown", of)).code_and_body == refusal(InvalidToken)


async def test_pages(client: Client, connection: asyncpg.Connection, application: AppRecord) -> None:
    """Pages go on where the page before ended; an incomplete page says so, and the last one is complete."""
    await insert_edges(connection, [*CHAIN, Edge(4, SERVICE, Reference("User", 3))])
    token, after = application.token, None
    pages: list[tuple[list[object], list[object]]] = []
    while not pages or after:
        data = (await post_closure(client, token, page={"size": 1, "after": after})).data
        after = data["page"]["next"]
        assert data["complete"] is (after is None)
        pages.append((data["results"], data["cycles"]))
    assert pages == [
        ([reached(USER, 1, 1)], []),
        ([reached(Reference("User", 3), 1, 4)], []),
        ([reached(TEAM, 2, 2)], [closing(CHAIN[2])]),
    ]


async def test_a_next_belongs_to_its_question(
    client: Client, connection: asyncpg.Connection, records: Records, application: AppRecord
) -> None:
    """A next that was changed, or comes from another question or caller, is invalid; in another page size it is not."""
    await insert_edges(connection, CHAIN)
    token = application.token
    after = (await post_closure(client, token, page={"size": 1})).data["page"]["next"]
    assert (await post_closure(client, token, page={"size": 5, "after": after})).data["complete"] is True
    page = {"size": 1, "after": after}
    for params in ({"direction": "required_by"}, {"key": "a"}, {"key": None}, {"max_depth": 3}):
        assert (await post_closure(client, token, page=page, **params)).code_and_body == UNKNOWN_CURSOR
    other = {"type": "Service", "id": 2}
    assert (await post_closure(client, token, other, page=page)).code_and_body == UNKNOWN_CURSOR
    session = await records.session("client")
    assert (await post_closure(client, session.token, page=page)).code_and_body == UNKNOWN_CURSOR
    changed = {"after": after[:-1] + ("A" if after[-1] != "A" else "B")}
    assert (await post_closure(client, token, page=changed)).code_and_body == UNKNOWN_CURSOR


async def test_a_next_after_a_change(client: Client, connection: asyncpg.Connection, application: AppRecord) -> None:
    """A next goes on after a change further down, and is refused once the things that were returned have changed."""
    await insert_edges(connection, CHAIN)
    after = (await post_closure(client, application.token, page={"size": 1})).data["page"]["next"]
    further = Reference("User", 9)
    await insert_edges(connection, [Edge(5, TEAM, further)])
    data = (await post_closure(client, application.token, page={"after": after})).data
    assert data["results"] == [reached(TEAM, 2, 2), reached(further, 3, 5)]
    await connection.execute("DELETE FROM requirements WHERE id = 1")
    problem = "is no longer valid, because results of the earlier pages have changed: start without it"
    answer = await post_closure(client, application.token, page={"after": after})
    assert answer.code_and_body == refusal(InvalidParam, ("page.after", problem))


async def test_a_client_walks_only_its_own_requirements(client: Client, records: Records) -> None:
    """To a session whose user is only a client, requirements of others do not exist; an employee sees them."""
    own, other, employee = [await records.session(role) for role in ("client", "client", "employee")]
    things = [{"type": "User", "id": session.user_id} for session in (own, other, employee)]
    first = await post_create_by(client, own, requireable=things[0], required=things[1])
    await post_create_by(client, other, requireable=things[1], required=things[2])
    data = (await post_closure(client, own.token, things[0])).data
    assert data["results"] == [{**things[1], "depth": 1, "requirement_id": first.data["id"]}]
    assert (await post_closure(client, other.token, things[0])).data["results"] == []
    assert len((await post_closure(client, employee.token, things[0])).data["results"]) == 2


async def test_too_many_rows(
    client: Client, connection: asyncpg.Connection, application: AppRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk that would read too many rows, or take too long, is refused on max_depth with a sentence that says so."""
    await insert_edges(connection, [Edge(number, SERVICE, USER) for number in range(1, 10_200)])
    less = "ask for a lesser max_depth or a key"
    many = f"would take reading more than 100 requirements for each result: {less}"
    answer = await post_closure(client, application.token)
    assert answer.code_and_body == refusal(InvalidParam, ("max_depth", many))
    monkeypatch.setattr(requirement_graph, "_SHARE_OF_TIME", 0.0)
    answer = await post_closure(client, application.token)
    assert answer.code_and_body == refusal(
        InvalidParam, ("max_depth", f"would take longer than a request may take: {less}")
    )


async def test_walks_leave_a_connection_to_other_reads(
    client: Client, connection: asyncpg.Connection, application: AppRecord
) -> None:
    """While a closure waits in the database, another one waits for its turn, and a read is answered."""
    await insert_edges(connection, CHAIN)
    await post_closure(client, application.token)
    async with connection.transaction():
        await connection.execute("LOCK TABLE requirements")
        walks = [asyncio.create_task(post_closure(client, application.token)) for _ in range(4)]
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not await connection.fetchval(waiting):
            pass
        read = asyncio.create_task(client.post("/api/v1/requirements/read", json={"token": application.token, "id": 1}))
        while await connection.fetchval(waiting) < 2:
            pass
    assert (await read_envelope(await read)).data["id"] == 1
    assert [len((await walk).data["results"]) for walk in walks] == [2] * 4


async def test_too_many_walks(
    config: Config,
    records: Records,
    connection: asyncpg.Connection,
    application: AppRecord,
    aiohttp_client: AppClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If as many closures wait for their turn as may, one more is refused at once; the others are answered."""
    await records.deploy()
    monkeypatch.setattr(walking, "MAX_WAITING", 1)
    client = await aiohttp_client(create_app(config))
    async with connection.transaction():
        await connection.execute("LOCK TABLE requirements")
        walks = [asyncio.create_task(post_closure(client, application.token)) for _ in range(3)]
        (refused,), others = await asyncio.wait(walks, return_when=asyncio.FIRST_COMPLETED)
    answer = await refused
    assert (answer.status, answer.body["message"]) == ("application-crash", Overloaded.message())
    assert answer.headers["Retry-After"] == "1"
    assert [(await walk).status for walk in others] == ["action-successful"] * 2


async def test_a_closure_without_its_turn(
    config: Config, records: Records, connection: asyncpg.Connection, application: AppRecord, aiohttp_client: AppClient
) -> None:
    """A closure that does not get its turn within the request's time is an application-crash that can be retried."""
    await records.deploy()
    client = await aiohttp_client(
        create_app(replace(config, server=replace(config.server, request_timeout_seconds=0.5)))
    )
    await post_closure(client, application.token)
    async with connection.transaction():
        await connection.execute("LOCK TABLE requirements")
        answers = await asyncio.gather(*[post_closure(client, application.token) for _ in range(2)])
    assert {(answer.status, answer.headers["Retry-After"]) for answer in answers} == {("application-crash", "1")}
    assert (await post_closure(client, application.token)).status == "action-successful"


async def test_a_closure_without_the_database(
    config: Config, records: Records, application: AppRecord, proxy: Proxy, aiohttp_client: AppClient
) -> None:
    """A closure while the database is away is an application-crash that can be retried."""
    await records.deploy()
    client = await aiohttp_client(create_app(replace(config, database=replace(config.database, url=proxy.url))))
    await proxy.cut()
    answer = await post_closure(client, application.token)
    assert (answer.status, answer.outcome, answer.headers["Retry-After"]) == ("application-crash", None, "1")
