"""The headers of answers: request ids, outcomes, and when to try again."""

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
async def test_x_request_id_is_the_callers(client: Client, request_id: str) -> None:
    """A well-formed X-Request-ID comes back, in the header and in the body."""
    answer = await post_create(client, {}, {REQUEST_ID: request_id})
    assert answer.headers[REQUEST_ID] == request_id


@pytest.mark.parametrize("request_id", ["", "a" * 129, "a b", "a/b", "a:b", "caf\u00e9", "a\tb", "<b>", "a,b"])
async def test_x_request_id_is_replaced(client: Client, request_id: str) -> None:
    """A malformed or absent X-Request-ID is replaced by a new one for each request."""
    given = [(await post_create(client, {}, {REQUEST_ID: request_id})).headers[REQUEST_ID] for _ in range(2)]
    given.append((await post_create(client, {})).headers[REQUEST_ID])
    assert len(set(given)) == 3
    assert all(len(name) == 32 and name.isalnum() for name in given)


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("PUT", CREATE), ("POST", "/api/v1/x"), ("GET", "/api")])
async def test_headers_of_an_unknown_path(client: Client, method: str, path: str) -> None:
    """Any unknown path answers in the envelope, with its headers and no outcome."""
    answer = await read_envelope(await client.request(method, path, headers={REQUEST_ID: "mine"}))
    assert answer.code_and_body == refusal(RouteNonExistent)
    assert (answer.headers[REQUEST_ID], answer.outcome) == ("mine", None)


async def test_requirement_outcome_created_and_replayed(client: Client, application: AppRecord, user_id: int) -> None:
    """A record that was written is created, one that was there is replayed; neither says when to retry."""
    sent = params(application.token, user_id)
    told = [await post_create(client, sent, {IDEMPOTENCY_KEY: "k"}) for _ in range(2)]
    assert [(answer.outcome, answer.headers.get("Retry-After")) for answer in told] == [
        ("created", None),
        ("replayed", None),
    ]


@pytest.mark.parametrize("body", ["", "{}", "{", '{"key": 1}', '{"token": "unknown"}'])
async def test_requirement_outcome_none(client: Client, body: str) -> None:
    """A refusal wrote nothing, and only a crash says when to retry."""
    answer = await post_raw_create(client, body, "application/json")
    assert (answer.outcome, answer.headers.get("Retry-After")) == ("none", None)


@pytest.mark.parametrize("headers", [{}, {IDEMPOTENCY_KEY: "k"}])
async def test_retry_after_a_crash_that_wrote_nothing(
    client: Client, records: Records, application: AppRecord, user_id: int, headers: dict[str, str]
) -> None:
    """A crash with the outcome none may be retried after a second, with or without a key."""
    await records.connection.execute("ALTER TABLE requirements RENAME TO gone")
    answer = await post_create(client, params(application.token, user_id), headers)
    assert answer.code_and_body == refusal(ApplicationCrash)
    assert (answer.outcome, answer.headers["Retry-After"]) == ("none", "1")


@pytest.fixture
async def held(other: asyncpg.Connection, user_id: int) -> AsyncIterator[asyncpg.Connection]:
    """A transaction that makes every create that refers to the user wait, rolled back at the end."""
    transaction = other.transaction()
    await transaction.start()
    await other.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", user_id)
    yield other
    await transaction.rollback()


@pytest.fixture
async def hasty(config: Config, records: Records, proxy: Proxy, aiohttp_client: AppClient) -> Client:
    """A client of a service behind the proxy that gives a request two seconds."""
    await records.deploy()
    server = replace(config.server, request_timeout_seconds=2.0)
    database = replace(config.database, url=proxy.url, lock_timeout_seconds=1.0, statement_timeout_seconds=1.5)
    return await aiohttp_client(create_app(replace(config, server=server, database=database)))


async def cut_under_way(
    client: Client, proxy: Proxy, connection: asyncpg.Connection, sent: dict[str, object], headers: dict[str, str]
) -> ApiResponse:
    """The answer to a create whose connection was cut after the statement had been sent."""
    asking = asyncio.create_task(post_create(client, sent, headers))
    await wait_for_lock_waiters(connection)
    await proxy.cut()
    return await asking


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(("headers", "retry_after"), [({}, None), ({IDEMPOTENCY_KEY: "k"}, "1")])
async def test_requirement_outcome_unknown(
    hasty: Client,
    proxy: Proxy,
    records: Records,
    application: AppRecord,
    user_id: int,
    headers: dict[str, str],
    retry_after: str | None,
) -> None:
    """A write that may have happened is unknown; only with a key is a retry safe, and so suggested."""
    answer = await cut_under_way(hasty, proxy, records.connection, params(application.token, user_id), headers)
    assert answer.code_and_body == refusal(ApplicationCrash)
    assert (answer.outcome, answer.headers.get("Retry-After")) == ("unknown", retry_after)


async def test_a_retry_after_unknown_leaves_one_record(
    hasty: Client,
    proxy: Proxy,
    config: Config,
    records: Records,
    application: AppRecord,
    user_id: int,
    held: asyncpg.Connection,
    aiohttp_client: AppClient,
) -> None:
    """Whatever became of the first attempt, the same key leaves exactly one record."""
    sent = params(application.token, user_id)
    await cut_under_way(hasty, proxy, records.connection, sent, {IDEMPOTENCY_KEY: "k"})
    await held.execute("ROLLBACK")
    await held.execute("BEGIN")
    client = await aiohttp_client(create_app(config))
    told = [await post_create(client, sent, {IDEMPOTENCY_KEY: "k"}) for _ in range(2)]
    assert [answer.status for answer in told] == ["action-successful"] * 2
    assert await records.count() == 1
