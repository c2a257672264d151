"""Every status of the contract over HTTP, except faults of the service, which are in test_crashes.py."""

import asyncio
import base64
import json
from datetime import timedelta

import pytest

from service.domain.statuses import (
    STATUSES,
    ClientRequired,
    InvalidContentType,
    InvalidEncodedParams,
    InvalidParam,
    InvalidToken,
    MissingParam,
    NoParamsDecoded,
    RouteNonExistent,
    RouteNotFound,
    ServiceNotFound,
    SessionExpired,
)
from service.storage import registry
from tests.api.exchange import CodeAndBody, post_create, post_raw_create, read_envelope, refusal, success
from tests.api.views import session_views
from tests.conftest import Client
from tests.factories import CREATE, ROUTE, AppRecord, Records, params

TABLE = {
    "action-successful": 200,
    "invalid-token": 401,
    "session-expired": 401,
    "client-required": 401,
    "missing-param": 400,
    "invalid-param": 400,
    "invalid-content-type": 400,
    "application-crash": 500,
    "mandrill-email-failed": 500,
    "route-non-existent": 500,
    "no-params-decoded": 400,
    "invalid-encoded-params": 400,
    "route-not-found": 404,
    "service-not-found": 404,
    "identify-request-error": 500,
}

NO_ROUTE = [
    ("GET", CREATE),
    ("PUT", CREATE),
    ("PATCH", CREATE),
    ("DELETE", CREATE),
    ("OPTIONS", CREATE),
    ("TRACE", CREATE),
    ("POST", f"{CREATE}/"),
    ("POST", f"/{CREATE}"),
    ("POST", "/api/v2/requirements/create"),
    ("POST", "/api/v1/requirements/Create"),
    ("POST", "/api/v1/requirements/create%00"),
    ("POST", "/api"),
    ("GET", "/api/"),
    ("POST", "/"),
    ("POST", "/ping"),
    ("DELETE", "/ready"),
]

CONTENT_TYPES = [
    "",
    ";",
    "json",
    "text/plain/x",
    "application/xml",
    "text/html",
    "application/json5",
    "application/json; charset=utf-16",
]

EMPTY = ["", "  ", "{}", "[]", "null", '"x"', "5"]
UNDECODABLE = ["{", '{"a": 1,}', "{} {}", '{"a": 1, "a": 2}', "NaN", '{"a": "\\ud800"}', b"\xff", "[" * 33 + "]" * 33]


def test_the_table_is_the_contract() -> None:
    """The statuses are those of the contract, each with its HTTP code and a distinct message."""
    assert sorted((status.name, status.http_code) for status in STATUSES) == sorted(TABLE.items())
    assert len({status.message() for status in STATUSES}) == len(TABLE)


async def test_action_successful(client: Client, records: Records, application: AppRecord, user_id: int) -> None:
    """action-successful: the requirement is committed."""
    response = await post_create(client, params(application.token, user_id))
    row = await records.connection.fetchrow("SELECT * FROM requirements")
    assert row is not None
    assert response.code_and_body == success(row)


async def test_invalid_token(client: Client, records: Records, user_id: int) -> None:
    """invalid-token: no caller has this token; nothing is written."""
    assert (await post_create(client, params("unknown", user_id))).code_and_body == refusal(InvalidToken)
    assert await records.count() == 0


async def test_session_expired(client: Client, records: Records) -> None:
    """session-expired: older than seven days; the session is not shown, even if requested."""
    session = await records.session(age=timedelta(days=8))
    response = await post_create(client, params(session.token, session.user_id, session_view="default"))
    assert response.code_and_body == refusal(SessionExpired)


async def test_client_required(client: Client, records: Records) -> None:
    """client-required: the user has no role; the session is shown."""
    session = await records.session_of(*await records.user())
    views = await session_views(records.connection, session)
    response = await post_create(client, params(session.token, session.user_id, application_view="default"))
    assert response.code_and_body == refusal(ClientRequired, session=views["default"])
    assert await records.count() == 0


async def test_missing_param(client: Client, application: AppRecord) -> None:
    """missing-param: a required param is absent, and is named."""
    response = await post_create(client, {"token": application.token, "required": {"type": "User", "id": 1}})
    assert response.code_and_body == refusal(MissingParam, ("requireable", "is required"))


async def test_invalid_param(client: Client, application: AppRecord, user_id: int) -> None:
    """invalid-param: a param breaks its rule, and is named."""
    response = await post_create(client, params(application.token, user_id, key=1))
    assert response.code_and_body == refusal(InvalidParam, ("key", "must be a string"))


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
async def test_invalid_content_type(client: Client, content_type: str) -> None:
    """invalid-content-type: neither application/json nor text/plain, or not UTF-8."""
    assert (await post_raw_create(client, "{}", content_type)).code_and_body == refusal(InvalidContentType)


@pytest.mark.parametrize("coding", ["gzip", "br", "foo", "identity, gzip"])
async def test_invalid_content_type_for_a_coding(client: Client, coding: str) -> None:
    """invalid-content-type: any Content-Encoding except identity."""
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    response = await read_envelope(await client.post(CREATE, data=b"{}", headers=headers))
    assert response.code_and_body == refusal(InvalidContentType)


@pytest.mark.parametrize(("method", "path"), NO_ROUTE)
async def test_route_non_existent(client: Client, method: str, path: str) -> None:
    """route-non-existent: an unknown path, or another method on a known one."""
    response = await client.session.request(method, client.make_url("/").with_path(path, encoded=True))
    assert (await read_envelope(response)).code_and_body == refusal(RouteNonExistent)


async def test_route_non_existent_to_head(client: Client) -> None:
    """route-non-existent: the response to HEAD has no body."""
    response = await client.head(CREATE)
    assert (response.status, await response.read()) == (500, b"")
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("body", EMPTY)
@pytest.mark.parametrize("encoded", [False, True])
async def test_no_params_decoded(client: Client, body: str, *, encoded: bool) -> None:
    """no-params-decoded: the decoded body contains no params."""
    content = base64.b64encode(body.encode()) if encoded else body.encode()
    response = await post_raw_create(client, content, "text/plain" if encoded else "application/json")
    assert response.code_and_body == refusal(NoParamsDecoded)


@pytest.mark.parametrize("body", UNDECODABLE)
async def test_invalid_encoded_params(client: Client, body: str | bytes) -> None:
    """invalid-encoded-params: the body is not one well-formed JSON document in UTF-8."""
    assert (await post_raw_create(client, body, "application/json")).code_and_body == refusal(InvalidEncodedParams)


@pytest.mark.parametrize("body", ["{}", "e30", "e3 0=", "e30=\n", "e31=", "\u00e9", "_w=="])
async def test_invalid_encoded_params_for_base64(client: Client, body: str) -> None:
    """invalid-encoded-params: a text/plain body is not strict base64."""
    assert (await post_raw_create(client, body, "text/plain")).code_and_body == refusal(InvalidEncodedParams)


async def test_invalid_encoded_params_for_a_plain_body(client: Client, records: Records, user_id: int) -> None:
    """invalid-encoded-params: a plain body on a route with sensitive params, which accepts the encoded body."""
    await records.deploy(sensitive_params=True)
    sent = params("unknown", user_id)
    await wait_for_response(client, sent, refusal(InvalidEncodedParams))
    encoded = base64.b64encode(json.dumps(sent).encode())
    assert (await post_raw_create(client, encoded, "text/plain")).code_and_body == refusal(InvalidToken)


async def test_route_not_found(client: Client, records: Records, application: AppRecord, user_id: int) -> None:
    """route-not-found: within a second of the route's withdrawal or deletion, until it is deployed again."""
    sent = params(application.token, user_id, key=1)
    await registry.withdraw_route(records.connection, ROUTE)
    await wait_for_response(client, sent, refusal(RouteNotFound))
    await records.deploy()
    await wait_for_response(client, sent, refusal(InvalidParam, ("key", "must be a string")))
    await records.connection.execute("DELETE FROM services")
    await wait_for_response(client, sent, refusal(RouteNotFound))


async def test_service_not_found(client: Client, records: Records, application: AppRecord, user_id: int) -> None:
    """service-not-found: the route is deployed, its service is withdrawn."""
    await registry.withdraw_service(records.connection, "requirements")
    await wait_for_response(client, params(application.token, user_id, key=1), refusal(ServiceNotFound))


async def wait_for_response(client: Client, sent: dict[str, object], expected: CodeAndBody) -> None:
    """Send a create until the response is `expected`; raise TimeoutError after a second."""
    async with asyncio.timeout(1):
        while (await post_create(client, sent)).code_and_body != expected:
            pass
