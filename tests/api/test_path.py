"""The action `path`: why one thing requires another, over HTTP."""

import asyncpg
import pytest

from service.domain.references import Reference
from service.domain.statuses import InvalidParam, InvalidToken, MissingParam
from tests.api.exchange import ApiResponse, post_create_by, read_envelope, refusal
from tests.conftest import Client
from tests.factories import PATH, AppRecord, Records
from tests.graphs import Edge, insert_edges

THINGS = [Reference("User", number) for number in range(1, 6)]
EDGES = [
    Edge(9, THINGS[0], THINGS[1], key="a"),
    Edge(4, THINGS[0], THINGS[2]),
    Edge(5, THINGS[1], THINGS[3], key="a"),
    Edge(7, THINGS[2], THINGS[3]),
    Edge(6, THINGS[2], THINGS[3]),
    Edge(8, THINGS[3], THINGS[4], key="a"),
    Edge(3, THINGS[4], THINGS[0]),
]


async def post_path(client: Client, token: str, start: object, goal: object, **more: object) -> ApiResponse:
    """Ask for a path. A number is the id of a user."""
    ends = [{"type": "User", "id": end} if isinstance(end, int) else end for end in (start, goal)]
    return await read_envelope(await client.post(PATH, json={"token": token, "from": ends[0], "to": ends[1], **more}))


def ids(answer: ApiResponse) -> list[int] | None:
    """The ids of the requirements in an answer."""
    path = answer.data["path"]
    return path and [requirement["id"] for requirement in path]


async def test_a_path(client: Client, connection: asyncpg.Connection, application: AppRecord) -> None:
    """The answer has the records of the chain, in order."""
    await insert_edges(connection, EDGES)
    answer = await post_path(client, application.token, 1, 5, application_view="default")
    assert (answer.code, answer.body["message"]) == (200, "The question was answered.")
    assert answer.body["application"]["id"] == application.id
    chain = answer.data["path"]
    assert [record["id"] for record in chain] == [4, 6, 8]
    assert [record["requireable"]["id"] for record in chain] == [1, 3, 4]
    assert [record["required"]["id"] for record in chain] == [3, 4, 5]
    assert set(chain[2]) == {"id", "required", "requireable", "key", "value", "created_at", "updated_at"}
    assert (chain[2]["key"], chain[2]["value"], answer.outcome) == ("a", None, None)


@pytest.mark.parametrize(
    ("start", "goal", "params", "chain"),
    [
        (1, 5, {"key": "a"}, [9, 5, 8]),
        (1, 5, {"key": None}, None),
        (1, 4, {"key": None}, [4, 6]),
        (1, 5, {"max_depth": 2}, None),
        (1, 5, {"max_depth": 3}, [4, 6, 8]),
        (5, 1, {}, [3]),
        (1, 1, {}, []),
        (99, 99, {}, []),
        (1, 99, {}, None),
        (99, 1, {}, None),
    ],
)
async def test_paths(
    client: Client,
    connection: asyncpg.Connection,
    application: AppRecord,
    start: int,
    goal: int,
    params: dict[str, object],
    chain: list[int] | None,
) -> None:
    """A path keeps to its key and max_depth, is empty from a thing to itself, and null where there is none."""
    await insert_edges(connection, EDGES)
    assert ids(await post_path(client, application.token, start, goal, **params)) == chain


@pytest.mark.parametrize(
    ("start", "goal", "params", "errors"),
    [
        ({"type": "Team", "id": 1}, {"type": "User", "id": 0}, {}, ["from.type", "to.id"]),
        (1, "x", {}, ["to"]),
        (1, 2, {"max_depth": 65, "key": []}, ["key", "max_depth"]),
    ],
)
async def test_invalid_params(
    client: Client, application: AppRecord, start: object, goal: object, params: dict[str, object], errors: list[str]
) -> None:
    """All invalid params are named by their dotted paths."""
    answer = await post_path(client, application.token, start, goal, **params)
    assert (answer.status, [error["param"] for error in answer.body["errors"]]) == ("invalid-param", errors)


async def test_missing_params(client: Client, application: AppRecord) -> None:
    """Missing parts are named by their dotted paths. An unknown caller learns nothing about params."""
    answer = await post_path(client, application.token, None, {"id": 1})
    missing = [("from", "is required"), ("to.type", "is required")]
    assert answer.code_and_body == refusal(MissingParam, *missing)
    assert (await post_path(client, "unknown", None, None)).code_and_body == refusal(InvalidToken)


async def test_a_client_walks_only_its_own_requirements(client: Client, records: Records) -> None:
    """To a session whose user is only a client, a chain with a requirement of another user does not exist."""
    own, other = await records.session("client"), await records.session("client")
    things = [{"type": "User", "id": session.user_id} for session in (own, other)]
    application = {"type": "Application", "id": (await records.application()).id}
    first = (await post_create_by(client, own, requireable=things[0], required=things[1])).data["id"]
    second = (await post_create_by(client, other, requireable=things[1], required=application)).data["id"]
    employee = await records.session("employee")
    assert ids(await post_path(client, own.token, own.user_id, other.user_id)) == [first]
    assert ids(await post_path(client, own.token, own.user_id, application)) is None
    assert ids(await post_path(client, employee.token, own.user_id, application)) == [first, second]


async def test_too_many_rows(client: Client, connection: asyncpg.Connection, application: AppRecord) -> None:
    """A search that would read too many rows from both ends is refused on max_depth."""
    edges = [Edge(number, THINGS[0], THINGS[1]) for number in range(1, 10_200)]
    edges += [Edge(number + 20_000, THINGS[2], THINGS[3]) for number in range(1, 10_200)]
    await insert_edges(connection, edges)
    answer = await post_path(client, application.token, 1, 4)
    problem = "would take reading more than 100 requirements for each result: ask for a lesser max_depth or a key"
    assert answer.code_and_body == refusal(InvalidParam, ("max_depth", problem))
