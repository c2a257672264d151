"""Response headers: X-Request-ID, Requirement-Outcome and Retry-After."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from service.api.app import create_app
from service.config import Config
from service.domain.statuses import ApplicationCrash, RouteNonExistent
from tests.api.exchange import IDEMPOTENCY_KEY, ApiResponse, post_create, post_raw_create, read_envelope, refusal
from tests.api.waiting import wait_for_lock_waiters
from tests.conftest import AppClient, Client
from tests.factories import CREATE, AppRecord, Records, params
from tests.proxy import Proxy

REQUEST_ID = "X-Request-ID"


@pytest.mark.parametrize("request_id", ["x", "a" * 128, "AZaz09._-", "0", "..", "null"])
async def test_x_request_id_is_returned(client: Client, request_id: str) -> None:
    """A well-formed X-Request-ID is returned in the header and the body."""
    response = await post_create(client, {}, {REQUEST_ID: request_id})
    assert response.headers[REQUEST_ID] == request_id


@pytest.mark.parametrize("request_id", ["", "a" * 129, "a b", "a/b", "a:b", "caf\u00e9", "a\tb", "<b>", "a,b"])
async def test_x_request_id_is_replaced(client: Client, request_id: str) -> None:
    """A malformed or absent X-Request-ID is replaced by a new one for each request."""
    request_ids = [(await post_create(client, {}, {REQUEST_ID: request_id})).headers[REQUEST_ID] for _ in range(2)]
    request_ids.append((await post_create(client, {})).headers[REQUEST_ID])
    assert len(set(request_ids)) == 3
    assert all(len(request_id) == 32 and request_id.isalnum() for request_id in request_ids)


@pytest.mark.parametrize(("method", "path"), [("GET", "/x"), ("PUT", CREATE), ("POST", "/api/v1/x"), ("GET", "/api")])
async def test_headers_of_an_unknown_path(client: Client, method: str, path: str) -> None:
    """An unknown path is answered with the envelope and its headers, without an outcome."""
    response = await read_envelope(await client.request(method, path, headers={REQUEST_ID: "mine"}))
    assert response.code_and_body == refusal(RouteNonExistent)
    assert (response.headers[REQUEST_ID], response.outcome) == ("mine", None)


async def test_requirement_outcome_created_and_replayed(client: Client, application: AppRecord, user_id: int) -> None:
    """A new row has the outcome created, an existing one replayed; neither has Retry-After."""
    sent = params(application.token, user_id)
    responses = [await post_create(client, sent, {IDEMPOTENCY_KEY: "k"}) for _ in range(2)]
    assert [(response.outcome, response.headers.get("Retry-After")) for response in responses] == [
        ("created", None),
        ("replayed", None),
    ]


@pytest.mark.parametrize("body", ["", "{}", "{", '{"key": 1}', '{"token": "unknown"}'])
async def test_requirement_outcome_none(client: Client, body: str) -> None:
    """A refusal has the outcome none and no Retry-After."""
    response = await post_raw_create(client, body, "application/json")
    assert (response.outcome, response.headers.get("Retry-After")) == ("none", None)


@pytest.mark.parametrize("headers", [{}, {IDEMPOTENCY_KEY: "k"}])
async def test_retry_after_a_crash_that_wrote_nothing(
    client: Client, records: Records, application: AppRecord, user_id: int, headers: dict[str, str]
) -> None:
    """application-crash with the outcome none has Retry-After: 1, with and without a key."""
    await records.connection.execute("ALTER TABLE requirements RENAME TO gone")
    response = await post_create(client, params(application.token, user_id), headers)
    assert response.code_and_body == refusal(ApplicationCrash)
    assert (response.outcome, response.headers["Retry-After"]) == ("none", "1")


@pytest.fixture
async def user_lock(other: asyncpg.Connection, user_id: int) -> AsyncIterator[asyncpg.Connection]:
    """A transaction that locks the user, so that every create with a reference to it waits; rolled back at the end."""
    transaction = other.transaction()
    await transaction.start()
    await other.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", user_id)
    yield other
    await transaction.rollback()


@pytest.fixture
async def impatient_client(config: Config, records: Records, proxy: Proxy, aiohttp_client: AppClient) -> Client:
    """A client of a service behind the proxy, with a request timeout of two seconds."""
    await records.deploy()
    server = replace(config.server, request_timeout_seconds=2.0)
    database = replace(config.database, url=proxy.url, lock_timeout_seconds=1.0, statement_timeout_seconds=1.5)
    return await aiohttp_client(create_app(replace(config, server=server, database=database)))


async def create_and_cut(
    client: Client, proxy: Proxy, connection: asyncpg.Connection, sent: dict[str, object], headers: dict[str, str]
) -> ApiResponse:
    """Send a create and cut its database connection after the statement was sent; return the response."""
    task = asyncio.create_task(post_create(client, sent, headers))
    await wait_for_lock_waiters(connection)
    await proxy.cut()
    return await task


@pytest.mark.usefixtures("user_lock")
@pytest.mark.parametrize(("headers", "retry_after"), [({}, None), ({IDEMPOTENCY_KEY: "k"}, "1")])
async def test_requirement_outcome_unknown(
    impatient_client: Client,
    proxy: Proxy,
    records: Records,
    application: AppRecord,
    user_id: int,
    headers: dict[str, str],
    retry_after: str | None,
) -> None:
    """A create that may have committed has the outcome unknown, and Retry-After only with a key."""
    response = await create_and_cut(
        impatient_client, proxy, records.connection, params(application.token, user_id), headers
    )
    assert response.code_and_body == refusal(ApplicationCrash)
    assert (response.outcome, response.headers.get("Retry-After")) == ("unknown", retry_after)


async def test_a_retry_after_unknown_leaves_one_record(
    impatient_client: Client,
    proxy: Proxy,
    config: Config,
    records: Records,
    application: AppRecord,
    user_id: int,
    user_lock: asyncpg.Connection,
    aiohttp_client: AppClient,
) -> None:
    """A retry with the same key after the outcome unknown leaves exactly one row."""
    sent = params(application.token, user_id)
    await create_and_cut(impatient_client, proxy, records.connection, sent, {IDEMPOTENCY_KEY: "k"})
    await user_lock.execute("ROLLBACK")
    await user_lock.execute("BEGIN")
    client = await aiohttp_client(create_app(config))
    responses = [await post_create(client, sent, {IDEMPOTENCY_KEY: "k"}) for _ in range(2)]
    assert [response.status for response in responses] == ["action-successful"] * 2
    assert await records.count() == 1
