"""Responses through nginx have the code, headers and body of the direct response."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from aiohttp.test_utils import unused_port

from service.domain.statuses import STATUSES
from service.storage import registry
from tests.factories import ROUTE, AppRecord, Records, params
from tests.gateway.nginx import Gateway, gateway
from tests.gateway.requests import HttpRequest, HttpResponse, as_json, send
from tests.serving.process import Serve, serving

Compare = Callable[[HttpRequest], Awaitable[HttpResponse]]

COMPARED = set[str]()


def comparison(http: aiohttp.ClientSession, direct: str, through: str) -> Compare:
    """A function that sends a request directly and through nginx, and compares the responses."""

    async def compare(sent: HttpRequest) -> HttpResponse:
        with_request_id = HttpRequest(
            sent.body, {"X-Request-ID": "the-callers.own_id", **sent.headers}, sent.method, sent.path
        )
        expected, response = [await send(http, url, with_request_id) for url in (direct, through)]
        assert response.comparable() == expected.comparable()
        assert response.headers["Server"] == "requirements-service"
        if "application/json; charset" in response.headers["Content-Type"]:
            assert response.headers["X-Request-Id"] == "the-callers.own_id"
        COMPARED.add(str(response.body.get("status")) if response.raw.startswith(b"{") else "")
        return response

    return compare


@pytest.fixture
def compare(http: aiohttp.ClientSession, serve: Serve, nginx: Gateway) -> Compare:
    """Compares responses of the shared service."""
    return comparison(http, serve.url, nginx.url)


async def test_created(compare: Compare, application: AppRecord, user_id: int) -> None:
    """action-successful: with both views, as plain JSON and as base64, with special characters."""
    sent = params(application.token, user_id, value='\u00e9\U0001f600 \\ "', application_view="detailed")
    plain = await compare(as_json(sent))
    assert (plain.code, plain.headers["Requirement-Outcome"]) == (200, "created")
    encoded = await compare(HttpRequest(base64.b64encode(json.dumps(sent).encode()), {"Content-Type": "text/plain"}))
    assert encoded.body["data"]["value"] == sent["value"]


async def test_bearer(compare: Compare, application: AppRecord, user_id: int) -> None:
    """The token may be in the Authorization header."""
    sent = params("", user_id)
    del sent["token"]
    assert (await compare(as_json(sent, Authorization=f"bearer {application.token}"))).code == 200


async def test_replayed(
    http: aiohttp.ClientSession, serve: Serve, nginx: Gateway, application: AppRecord, user_id: int
) -> None:
    """The same Idempotency-Key through nginx and directly is the same create."""
    sent = as_json(params(application.token, user_id), **{"Idempotency-Key": 'once "and" for all'})
    first, again = [await send(http, url, sent) for url in (nginx.url, serve.url)]
    assert first.body["data"] == again.body["data"]
    outcomes = [response.headers["Requirement-Outcome"] for response in (first, again)]
    assert outcomes == ["created", "replayed"]


async def test_callers(compare: Compare, records: Records, user_id: int) -> None:
    """invalid-token, session-expired, and client-required with its session."""
    assert (await compare(as_json(params("nobody's", user_id)))).code == 401
    old = await records.session(age=timedelta(days=8))
    assert (await compare(as_json(params(old.token, user_id)))).body["status"] == "session-expired"
    session = await records.session_of(*await records.user())
    response = await compare(as_json(params(session.token, user_id, session_view="detailed")))
    assert (response.code, response.body["status"]) == (401, "client-required")
    assert (response.body["session"]["id"], response.body["session"]["roles"]) == (session.id, [])


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
async def test_bodies(compare: Compare, body: str, content_type: str, status: str) -> None:
    """Faults of the body have the same response as without nginx."""
    assert (await compare(HttpRequest(body, {"Content-Type": content_type}))).body["status"] == status


async def test_params(compare: Compare, application: AppRecord, user_id: int) -> None:
    """missing-param and invalid-param, with each faulty param."""
    missing = await compare(as_json({"token": application.token}))
    assert [error["param"] for error in missing.body["errors"]] == ["required", "requireable"]
    assert (await compare(as_json(params(application.token, user_id, key=1)))).body["status"] == "invalid-param"


async def test_not_deployed(compare: Compare, records: Records) -> None:
    """route-not-found and service-not-found."""
    withdrawals = {"route-not-found": registry.withdraw_route, "service-not-found": withdraw_service}
    for status, withdraw in withdrawals.items():
        await withdraw(records.connection, ROUTE)
        try:
            await wait_for_status(compare, status)
            assert (await compare(as_json({"token": "x"}))).code == 404
        finally:
            await records.deploy()
        await wait_for_status(compare, "missing-param")


async def withdraw_service(connection: asyncpg.Connection, _route: object) -> object:
    """Withdraw the route's service."""
    return await registry.withdraw_service(connection, "requirements")


async def wait_for_status(compare: Compare, status: str) -> None:
    """Send creates until ten responses in a row, from either worker, have this status."""
    in_a_row = 0
    for _ in range(500):
        try:
            response = await compare(as_json({"token": None}))
        except AssertionError:  # the two workers are notified one after the other
            in_a_row = 0
            continue
        in_a_row = in_a_row + 1 if response.body["status"] == status else 0
        if in_a_row == 10:
            return
    pytest.fail(f"never {status}")


async def test_a_crash(compare: Compare, records: Records, application: AppRecord, user_id: int) -> None:
    """application-crash, with an Idempotency-Key and without."""
    await records.connection.execute("ALTER TABLE requirements RENAME TO elsewhere")
    try:
        for headers in ({}, {"Idempotency-Key": "later"}):
            response = await compare(as_json(params(application.token, user_id), **headers))
            assert (response.code, response.body["status"]) == (500, "application-crash")
    finally:
        await records.connection.execute("ALTER TABLE elsewhere RENAME TO requirements")
    assert (await compare(as_json(params(application.token, user_id)))).code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/ping"), ("HEAD", "/ping"), ("GET", "/ready"), ("GET", "/openapi.json"), ("GET", "/docs")],
)
async def test_open_pages(compare: Compare, method: str, path: str) -> None:
    """Health checks and documentation."""
    assert (await compare(HttpRequest(method=method, path=path))).code == 200


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
    """route-non-existent from the service."""
    assert (await compare(HttpRequest(method=method, path=path))).body["status"] == "route-non-existent"


@pytest.fixture
async def compare_own(
    http: aiohttp.ClientSession, gateway_database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Compare]:
    """Compares responses of a service with its own settings, behind its own nginx."""
    environ = {
        "WEB_CONCURRENCY": "1",
        "REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false",
        "DATABASE_URL": gateway_database,
    }
    async with serving(tmp_path, environ=environ | request.param) as serve, gateway(tmp_path, serve.url) as nginx:
        yield comparison(http, serve.url, nginx.url)


MAIL = {
    "REQUIREMENTS__MANDRILL__API_KEY": "key",
    "REQUIREMENTS__MANDRILL__RECIPIENTS": "team@example.com",
    "REQUIREMENTS__MANDRILL__SENDER": "requirements@example.com",
    "REQUIREMENTS__MANDRILL__BASE_URL": f"http://127.0.0.1:{unused_port()}",
}


@pytest.mark.parametrize("compare_own", [MAIL], indirect=True)
async def test_email_failed(compare_own: Compare, application: AppRecord, user_id: int) -> None:
    """mandrill-email-failed, with the committed requirement."""
    response = await compare_own(as_json(params(application.token, user_id)))
    assert (response.code, response.body["status"]) == (500, "mandrill-email-failed")
    assert response.body["data"]["required"] == {"type": "User", "id": user_id}


NO_DATABASE = {"DATABASE_URL": f"postgresql://nobody@127.0.0.1:{unused_port()}/nothing"}


@pytest.mark.parametrize("compare_own", [NO_DATABASE], indirect=True)
async def test_unready(compare_own: Compare) -> None:
    """identify-request-error, and the service's 503 of /ready, which nginx passes on."""
    assert (await compare_own(as_json({"token": "x"}))).body["status"] == "identify-request-error"
    assert (await compare_own(HttpRequest(method="GET", path="/ready"))).code == 503


def test_every_status_is_compared() -> None:
    """The tests above compare every status."""
    assert {status.name for status in STATUSES} <= COMPARED
