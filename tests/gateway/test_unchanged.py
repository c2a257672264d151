"""Through nginx, every answer of the service is what it is without: code, headers and body."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from service.domain.statuses import STATUSES
from service.storage import registry
from service.storage.demo import ROUTE
from tests.factories import AppRecord, Records, params
from tests.gateway.comparing import Got, Sent, as_json, send
from tests.gateway.nginx import Gateway, free_port, gateway
from tests.serving.process import Serve, serving

Compare = Callable[[Sent], Awaitable[Got]]

COMPARED = set[str]()


def comparing(http: aiohttp.ClientSession, direct: str, through: str) -> Compare:
    """Sends a request both ways and holds the answers against each other."""

    async def compare(sent: Sent) -> Got:
        numbered = Sent(sent.body, {"X-Request-ID": "the-callers.own_id", **sent.headers}, sent.method, sent.path)
        itself, passed = [await send(http, url, numbered) for url in (direct, through)]
        assert passed.told() == itself.told()
        assert passed.headers["Server"] == "requirements-service"
        if "application/json; charset" in passed.headers["Content-Type"]:
            assert passed.headers["X-Request-Id"] == "the-callers.own_id"
        COMPARED.add(str(passed.body.get("status")) if passed.raw.startswith(b"{") else "")
        return passed

    return compare


@pytest.fixture
def compare(http: aiohttp.ClientSession, serve: Serve, nginx: Gateway) -> Compare:
    """Compares answers of the service that all these tests share."""
    return comparing(http, serve.url, nginx.url)


async def test_created(compare: Compare, application: AppRecord, user_id: int) -> None:
    """action-successful: with both views, in plain JSON and in base64, with text of all kinds."""
    sent = params(application.token, user_id, value='\u00e9\U0001f600 \\ "', application_view="detailed")
    plain = await compare(as_json(sent))
    assert (plain.code, plain.headers["Requirement-Outcome"]) == (200, "created")
    encoded = await compare(Sent(base64.b64encode(json.dumps(sent).encode()), {"Content-Type": "text/plain"}))
    assert encoded.body["data"]["value"] == sent["value"]


async def test_bearer(compare: Compare, application: AppRecord, user_id: int) -> None:
    """The token may stand in the Authorization header."""
    sent = params("", user_id)
    del sent["token"]
    assert (await compare(as_json(sent, Authorization=f"bearer {application.token}"))).code == 200


async def test_replayed(
    http: aiohttp.ClientSession, serve: Serve, nginx: Gateway, application: AppRecord, user_id: int
) -> None:
    """The same Idempotency-Key through nginx and without is the same create."""
    sent = as_json(params(application.token, user_id), **{"Idempotency-Key": 'once "and" for all'})
    first, again = [await send(http, url, sent) for url in (nginx.url, serve.url)]
    assert first.body["data"] == again.body["data"]
    outcomes = [answer.headers["Requirement-Outcome"] for answer in (first, again)]
    assert outcomes == ["created", "replayed"]


async def test_who_asks(compare: Compare, records: Records, user_id: int) -> None:
    """invalid-token, session-expired, and client-required with its session."""
    assert (await compare(as_json(params("nobody's", user_id)))).code == 401
    old = await records.session(age=timedelta(days=8))
    assert (await compare(as_json(params(old.token, user_id)))).body["status"] == "session-expired"
    session = await records.session_of(*await records.user())
    answer = await compare(as_json(params(session.token, user_id, session_view="detailed")))
    assert (answer.code, answer.body["status"]) == (401, "client-required")
    assert (answer.body["session"]["id"], answer.body["session"]["roles"]) == (session.id, [])


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("{}", "application/xml", "invalid-content-type"),
        ("{", "application/json", "invalid-encoded-params"),
        ("e31=", "text/plain", "invalid-encoded-params"),
        ("", "application/json", "no-params-decoded"),
        ('{"token": ""}', "application/json", "missing-param"),
    ],
)
async def test_what_is_sent(compare: Compare, body: str, content_type: str, status: str) -> None:
    """What is wrong with a body is told as it is without nginx."""
    assert (await compare(Sent(body, {"Content-Type": content_type}))).body["status"] == status


async def test_params(compare: Compare, application: AppRecord, user_id: int) -> None:
    """missing-param and invalid-param with each param at fault."""
    missing = await compare(as_json({"token": application.token}))
    assert [error["param"] for error in missing.body["errors"]] == ["required", "requireable"]
    assert (await compare(as_json(params(application.token, user_id, key=1)))).body["status"] == "invalid-param"


async def test_not_deployed(compare: Compare, records: Records) -> None:
    """route-not-found and service-not-found."""
    undone = {"route-not-found": registry.withdraw_route, "service-not-found": withdraw_service}
    for status, withdraw in undone.items():
        await withdraw(records.connection, ROUTE)
        try:
            await becomes(compare, status)
            assert (await compare(as_json({"token": "x"}))).code == 404
        finally:
            await records.deploy()
        await becomes(compare, "missing-param")


async def withdraw_service(connection: asyncpg.Connection, _route: object) -> object:
    """Withdraw the service of the route."""
    return await registry.withdraw_service(connection, "requirements")


async def becomes(compare: Compare, status: str) -> None:
    """Ask until every one of some answers in a row, from whichever worker, has this status."""
    in_a_row = 0
    for _ in range(500):
        try:
            answer = await compare(as_json({"token": None}))
        except AssertionError:  # the two workers learn of it one after the other
            in_a_row = 0
            continue
        in_a_row = in_a_row + 1 if answer.body["status"] == status else 0
        if in_a_row == 10:
            return
    pytest.fail(f"never {status}")


async def test_a_crash(compare: Compare, records: Records, application: AppRecord, user_id: int) -> None:
    """application-crash, with an Idempotency-Key and without."""
    await records.connection.execute("ALTER TABLE requirements RENAME TO elsewhere")
    try:
        for headers in ({}, {"Idempotency-Key": "later"}):
            answer = await compare(as_json(params(application.token, user_id), **headers))
            assert (answer.code, answer.body["status"]) == (500, "application-crash")
    finally:
        await records.connection.execute("ALTER TABLE elsewhere RENAME TO requirements")
    assert (await compare(as_json(params(application.token, user_id)))).code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/ping"), ("HEAD", "/ping"), ("GET", "/ready"), ("GET", "/openapi.json"), ("GET", "/docs")],
)
async def test_open_pages(compare: Compare, method: str, path: str) -> None:
    """Probes and documentation."""
    assert (await compare(Sent(method=method, path=path))).code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/requirements/create"),
        ("POST", "/ping"),
        ("POST", "/api/v1/requirements/create/"),
        ("GET", "/api/"),
    ],
)
async def test_no_route(compare: Compare, method: str, path: str) -> None:
    """route-non-existent, by the service itself."""
    assert (await compare(Sent(method=method, path=path))).body["status"] == "route-non-existent"


@pytest.fixture
async def beside(
    http: aiohttp.ClientSession, gateway_database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Compare]:
    """Compares answers of a service with settings of its own, behind an nginx of its own."""
    environ = {
        "WEB_CONCURRENCY": "1",
        "REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false",
        "DATABASE_URL": gateway_database,
    }
    async with serving(tmp_path, environ=environ | request.param) as serve, gateway(tmp_path, serve.url) as nginx:
        yield comparing(http, serve.url, nginx.url)


MAIL = {
    "REQUIREMENTS__MANDRILL__API_KEY": "key",
    "REQUIREMENTS__MANDRILL__RECIPIENTS": "team@example.com",
    "REQUIREMENTS__MANDRILL__SENDER": "requirements@example.com",
    "REQUIREMENTS__MANDRILL__BASE_URL": f"http://127.0.0.1:{free_port()}",
}


@pytest.mark.parametrize("beside", [MAIL], indirect=True)
async def test_email_failed(beside: Compare, application: AppRecord, user_id: int) -> None:
    """mandrill-email-failed, with the record that is committed."""
    answer = await beside(as_json(params(application.token, user_id)))
    assert (answer.code, answer.body["status"]) == (500, "mandrill-email-failed")
    assert answer.body["data"]["required"] == {"type": "User", "id": user_id}


NO_DATABASE = {"DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"}


@pytest.mark.parametrize("beside", [NO_DATABASE], indirect=True)
async def test_unready(beside: Compare) -> None:
    """identify-request-error, and a 503 of /ready, which nginx does not take for its own."""
    assert (await beside(as_json({"token": "x"}))).body["status"] == "identify-request-error"
    assert (await beside(Sent(method="GET", path="/ready"))).code == 503


def test_all_of_them() -> None:
    """The tests above compared every status there is."""
    assert {status.name for status in STATUSES} <= COMPARED
