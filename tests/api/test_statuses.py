"""Every status of the contract's table, reached over HTTP; test_crashes.py has those that are our own fault."""

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
from service.storage.demo import ROUTE
from tests.api.exchange import CodeAndBody, post_create, post_raw_create, read_envelope, refusal, success, timestamp
from tests.conftest import Client
from tests.factories import CREATE, AppRecord, Records, params

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
    ("GET", "/"),
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
    """The statuses are those of the contract, each once, with its HTTP code and a sentence of its own."""
    assert sorted((status.name, status.http_code) for status in STATUSES) == sorted(TABLE.items())
    assert len({status.message() for status in STATUSES}) == len(TABLE)


async def test_action_successful(client: Client, records: Records, application: AppRecord, user_id: int) -> None:
    """action-successful: the requirement is committed."""
    answer = await post_create(client, params(application.token, user_id))
    row = await records.connection.fetchrow("SELECT * FROM requirements")
    assert row is not None
    assert answer.code_and_body == success(row)


async def test_invalid_token(client: Client, records: Records, user_id: int) -> None:
    """invalid-token: a completed lookup found nobody; nothing is written."""
    assert (await post_create(client, params("unknown", user_id))).code_and_body == refusal(InvalidToken)
    assert await records.count() == 0


async def test_session_expired(client: Client, records: Records) -> None:
    """session-expired: older than seven days; no session is shown, even when asked for."""
    session = await records.session(age=timedelta(days=8))
    answer = await post_create(client, params(session.token, session.user_id, session_view="default"))
    assert answer.code_and_body == refusal(SessionExpired)


async def test_client_required(client: Client, records: Records) -> None:
    """client-required: the user has no role; the session is told all the same."""
    session = await records.session_of(*await records.user())
    row = await records.connection.fetchrow("SELECT * FROM sessions")
    assert row is not None
    shown = {
        "id": session.id,
        "token": session.token,
        "application_id": None,
        "user_id": session.user_id,
        "remember_me": False,
        "created_at": timestamp(row["created_at"]),
        "last_used_at": timestamp(row["last_used_at"]),
        "expires_at": timestamp(row["last_used_at"] + timedelta(hours=72)),
    }
    answer = await post_create(client, params(session.token, session.user_id, application_view="default"))
    assert answer.code_and_body == refusal(ClientRequired, session=shown)
    assert await records.count() == 0


async def test_missing_param(client: Client, application: AppRecord) -> None:
    """missing-param: a required param is absent, and is named."""
    answer = await post_create(client, {"token": application.token, "required": {"type": "User", "id": 1}})
    assert answer.code_and_body == refusal(MissingParam, ("requireable", "is required"))


async def test_invalid_param(client: Client, application: AppRecord, user_id: int) -> None:
    """invalid-param: a param breaks its rule, and is named."""
    answer = await post_create(client, params(application.token, user_id, key=1))
    assert answer.code_and_body == refusal(InvalidParam, ("key", "must be a string"))


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
async def test_invalid_content_type(client: Client, content_type: str) -> None:
    """invalid-content-type: neither of the two types there are, or not in UTF-8."""
    assert (await post_raw_create(client, "{}", content_type)).code_and_body == refusal(InvalidContentType)


@pytest.mark.parametrize("coding", ["gzip", "br", "foo", "identity, gzip"])
async def test_invalid_content_type_for_a_coding(client: Client, coding: str) -> None:
    """invalid-content-type: any Content-Encoding but identity."""
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    answer = await read_envelope(await client.post(CREATE, data=b"{}", headers=headers))
    assert answer.code_and_body == refusal(InvalidContentType)


@pytest.mark.parametrize(("method", "path"), NO_ROUTE)
async def test_route_non_existent(client: Client, method: str, path: str) -> None:
    """route-non-existent: an unknown path, or another method on a known one."""
    response = await client.session.request(method, client.make_url("/").with_path(path, encoded=True))
    assert (await read_envelope(response)).code_and_body == refusal(RouteNonExistent)


async def test_route_non_existent_to_head(client: Client) -> None:
    """route-non-existent: HEAD is answered with the headers alone."""
    response = await client.head(CREATE)
    assert (response.status, await response.read()) == (500, b"")
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("body", EMPTY)
@pytest.mark.parametrize("encoded", [False, True])
async def test_no_params_decoded(client: Client, body: str, *, encoded: bool) -> None:
    """no-params-decoded: the body was decoded and holds no params."""
    content = base64.b64encode(body.encode()) if encoded else body.encode()
    answer = await post_raw_create(client, content, "text/plain" if encoded else "application/json")
    assert answer.code_and_body == refusal(NoParamsDecoded)


@pytest.mark.parametrize("body", UNDECODABLE)
async def test_invalid_encoded_params(client: Client, body: str | bytes) -> None:
    """invalid-encoded-params: the body is not one well-formed JSON document in UTF-8."""
    assert (await post_raw_create(client, body, "application/json")).code_and_body == refusal(InvalidEncodedParams)


@pytest.mark.parametrize("body", ["{}", "e30", "e3 0=", "e30=\n", "e31=", "\u00e9", "_w=="])
async def test_invalid_encoded_params_for_base64(client: Client, body: str) -> None:
    """invalid-encoded-params: a text/plain body is not strict base64."""
    assert (await post_raw_create(client, body, "text/plain")).code_and_body == refusal(InvalidEncodedParams)


async def test_invalid_encoded_params_for_a_plain_body(client: Client, records: Records, user_id: int) -> None:
    """invalid-encoded-params: a plain body on a route with sensitive params; encoded, the same goes on."""
    await records.deploy(sensitive_params=True)
    sent = params("unknown", user_id)
    await until(client, sent, refusal(InvalidEncodedParams))
    encoded = base64.b64encode(json.dumps(sent).encode())
    assert (await post_raw_create(client, encoded, "text/plain")).code_and_body == refusal(InvalidToken)


async def test_route_not_found(client: Client, records: Records, application: AppRecord, user_id: int) -> None:
    """route-not-found: within a second of being withdrawn, or of its record's end, and only until it is back."""
    sent = params(application.token, user_id, key=1)
    await registry.withdraw_route(records.connection, ROUTE)
    await until(client, sent, refusal(RouteNotFound))
    await records.deploy()
    await until(client, sent, refusal(InvalidParam, ("key", "must be a string")))
    await records.connection.execute("DELETE FROM services")
    await until(client, sent, refusal(RouteNotFound))


async def test_service_not_found(client: Client, records: Records, application: AppRecord, user_id: int) -> None:
    """service-not-found: the route is deployed, its service was withdrawn."""
    await registry.withdraw_service(records.connection, "requirements")
    await until(client, params(application.token, user_id, key=1), refusal(ServiceNotFound))


async def until(client: Client, sent: dict[str, object], wanted: CodeAndBody) -> None:
    """Ask until the answer is the wanted one, as it must be within a second."""
    async with asyncio.timeout(1):
        while (await post_create(client, sent)).code_and_body != wanted:
            pass
