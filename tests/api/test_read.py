"""The action `read`: the record as it was created, and only for callers who may see it."""

from dataclasses import replace

import pytest

from service.api.app import create_app
from service.config import Config
from service.domain.references import MAX_ID
from service.domain.statuses import InvalidContentType, InvalidParam, InvalidToken, MissingParam, RouteNotFound
from service.storage.registry import withdraw_route
from tests.api.exchange import ApiResponse, post_create, read_envelope, refusal, success
from tests.conftest import AppClient, Client
from tests.factories import READ, AppRecord, Records, SessionRecord, params
from tests.proxy import Proxy

ABSENT = refusal(InvalidParam, ("id", "does not exist"))


async def post_read(client: Client, token: str, requirement_id: object, **more: object) -> ApiResponse:
    """Read a requirement."""
    sent = {"token": token, "id": requirement_id, **more}
    return await read_envelope(await client.post(READ, json=sent))


async def create_by(client: Client, token: str, user_id: int) -> int:
    """The id of a requirement that the owner of `token` creates."""
    created = await post_create(client, params(token, user_id, key="tier", value="gold"))
    requirement_id: int = created.data["id"]
    return requirement_id


async def test_a_created_requirement_is_read(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """A read returns what the create returned, in the view of the caller that is asked for."""
    created = await post_create(client, params(application.token, user_id, key="tier", value="gold"))
    read = await post_read(client, application.token, created.data["id"], application_view="default")
    row = await records.connection.fetchrow("SELECT * FROM requirements")
    assert row is not None
    view = {"id": application.id, "slug": application.slug, "name": application.slug.title()}
    code, body = success(row, application=view)
    assert read.code_and_body == (code, body | {"message": "The requirement was found."})
    assert read.data == created.data
    assert read.outcome is None


@pytest.mark.parametrize("requirement_id", [1, MAX_ID])
async def test_an_absent_requirement(client: Client, application: AppRecord, requirement_id: int) -> None:
    """An id that does not exist is invalid."""
    assert (await post_read(client, application.token, requirement_id)).code_and_body == ABSENT


@pytest.mark.parametrize("value", [0, -1, MAX_ID + 1, "1", 1.0, True, [1]])
async def test_invalid_ids(client: Client, application: AppRecord, value: object) -> None:
    """An id must be a JSON integer within PostgreSQL's positive bigints."""
    problem = ("id", f"must be an integer from 1 to {MAX_ID}")
    assert (await post_read(client, application.token, value)).code_and_body == refusal(InvalidParam, problem)


@pytest.mark.parametrize("value", [None, ""])
async def test_missing_ids(client: Client, application: AppRecord, value: object) -> None:
    """A null or empty id is missing."""
    assert (await post_read(client, application.token, value)).code_and_body == refusal(
        MissingParam, ("id", "is required")
    )


async def test_the_order_of_validation(client: Client, records: Records, application: AppRecord) -> None:
    """The content type is checked before the route, the route before the token, and the token before the params."""
    unknown = refusal(InvalidToken)
    assert (await post_read(client, "unknown", "x")).code_and_body == unknown
    await withdraw_route(records.connection, ("requirements", "v1", "read"))
    while (withdrawn := await post_read(client, "unknown", "x")).code_and_body == unknown:
        pass
    assert withdrawn.code_and_body == refusal(RouteNotFound)
    response = await client.post(READ, data="x", headers={"Content-Type": "text/html"})
    assert (await read_envelope(response)).code_and_body == refusal(InvalidContentType)
    assert (await post_create(client, params(application.token, 1, key=1))).status == "invalid-param"


async def session(records: Records, *roles: str) -> SessionRecord:
    """A session of a new user with these roles."""
    return await records.session(*roles)


async def test_a_client_sees_its_own_requirements(client: Client, records: Records, application: AppRecord) -> None:
    """To a session whose user is only a client, requirements that others created do not exist."""
    own, other = await session(records, "client"), await session(records, "client")
    by_own = await create_by(client, own.token, own.user_id)
    by_other = await create_by(client, other.token, own.user_id)
    by_application = await create_by(client, application.token, own.user_id)
    assert (await post_read(client, own.token, by_own)).status == "action-successful"
    assert (await post_read(client, own.token, by_other)).code_and_body == ABSENT
    assert (await post_read(client, own.token, by_application)).code_and_body == ABSENT


@pytest.mark.parametrize("roles", [("employee",), ("liaison",), ("client", "employee")])
async def test_employees_and_liaisons_see_all(client: Client, records: Records, roles: tuple[str, ...]) -> None:
    """Employees and liaisons see the requirements of everyone."""
    reader, other = await session(records, *roles), await session(records, "client")
    requirement_id = await create_by(client, other.token, other.user_id)
    assert (await post_read(client, reader.token, requirement_id)).status == "action-successful"


async def test_clients_may_be_allowed_to_see_all(config: Config, records: Records, aiohttp_client: AppClient) -> None:
    """With requirements.clients_see set to all, clients see the requirements of everyone."""
    await records.deploy()
    client = await aiohttp_client(
        create_app(replace(config, requirements=replace(config.requirements, clients_see="all")))
    )
    reader, other = await session(records, "client"), await session(records, "client")
    requirement_id = await create_by(client, other.token, other.user_id)
    assert (await post_read(client, reader.token, requirement_id)).status == "action-successful"


async def test_a_read_without_the_database(
    config: Config, records: Records, application: AppRecord, proxy: Proxy, aiohttp_client: AppClient
) -> None:
    """A read while the database is away is an application-crash that can be retried; its outcome is never unknown."""
    await records.deploy()
    database = replace(config.database, url=proxy.url)
    client = await aiohttp_client(create_app(replace(config, database=database)))
    await proxy.cut()
    answer = await post_read(client, application.token, 1)
    assert (answer.status, answer.outcome, answer.headers["Retry-After"]) == ("application-crash", None, "1")
