"""The order of validation: of two faults at once the earlier one is reported; without it, the later one."""

import base64
import json
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest

from service.api.app import create_app
from service.config import Config
from service.domain.statuses import (
    ClientRequired,
    InvalidContentType,
    InvalidEncodedParams,
    InvalidParam,
    InvalidToken,
    MissingParam,
    RouteNonExistent,
    RouteNotFound,
    ServiceNotFound,
    SessionExpired,
)
from tests.api.exchange import CodeAndBody, post_create, post_raw_create, read_envelope, refusal
from tests.conftest import AppClient, Client
from tests.factories import CREATE, AppRecord, Records, params

JSON, XML = "application/json", "application/xml"
TOO_LONG = "{" * (1024 * 1024 + 1)
BODY_TOO_LONG = refusal(InvalidParam, ("body", "must be at most 1048576 bytes long"))
PLAIN = '{"key": 1}'  # holds no token
NO_TOKEN = refusal(MissingParam, ("token", "is required"))
ABSENT_ID = 2**63 - 1

# Each adjacent pair in the contract's order that needs only the request: path, content type, body, response.
REQUESTS: list[tuple[str, str, str, str, CodeAndBody]] = [
    ("route-non-existent, content type", f"{CREATE}/", XML, "{}", refusal(RouteNonExistent)),
    ("content type, size", CREATE, XML, TOO_LONG, refusal(InvalidContentType)),
    ("size, decoding", CREATE, JSON, TOO_LONG, BODY_TOO_LONG),
]

# The deployed records (route, service, sensitive), the body, and the response.
RECORDS: list[tuple[str, tuple[bool, bool, bool], str, CodeAndBody]] = [
    ("decoding, route", (False, True, False), "{", refusal(InvalidEncodedParams)),
    ("route, service", (False, False, False), PLAIN, refusal(RouteNotFound)),
    ("service, plain body", (True, False, True), PLAIN, refusal(ServiceNotFound)),
    ("plain body, token", (True, True, True), PLAIN, refusal(InvalidEncodedParams)),
]


async def deploy(records: Records, *, route: bool, service: bool, sensitive: bool) -> None:
    """Deploy the route and its service, or withdraw them."""
    await records.deploy(sensitive_params=sensitive)
    await records.connection.execute("UPDATE routes SET deployed_at = NULL WHERE NOT $1", route)
    await records.connection.execute("UPDATE services SET deployed_at = NULL WHERE NOT $1", service)


@pytest.mark.parametrize(
    ("path", "content_type", "body", "expected"), [pytest.param(*r[1:], id=r[0]) for r in REQUESTS]
)
async def test_faults_of_the_request(
    client: Client, path: str, content_type: str, body: str, expected: CodeAndBody
) -> None:
    """Faults that need no body are reported in the contract's order."""
    response = await client.post(path, data=BytesIO(body.encode()), headers={"Content-Type": content_type})
    assert (await read_envelope(response)).code_and_body == expected


@pytest.mark.parametrize(
    ("deployed", "body", "expected"), [pytest.param(*record[1:], id=record[0]) for record in RECORDS]
)
async def test_faults_of_the_records(
    config: Config,
    records: Records,
    aiohttp_client: AppClient,
    deployed: tuple[bool, bool, bool],
    body: str,
    expected: CodeAndBody,
) -> None:
    """Faults from decoding to the token are reported in the contract's order."""
    route, service, sensitive = deployed
    await deploy(records, route=route, service=service, sensitive=sensitive)
    client = await aiohttp_client(create_app(config))
    assert (await post_raw_create(client, body, JSON)).code_and_body == expected


async def test_token_before_params(client: Client) -> None:
    """A missing or invalid token is reported alone: anonymous callers learn nothing about params."""
    assert (await post_create(client, {"key": 1})).code_and_body == NO_TOKEN
    assert (await post_create(client, {"token": "unknown", "key": 1})).code_and_body == refusal(InvalidToken)


async def test_invalid_before_expired(client: Client, records: Records) -> None:
    """A session that is both revoked and expired is invalid-token."""
    session = await records.session(age=timedelta(days=8))
    assert (await post_create(client, {"token": session.token, "key": 1})).code_and_body == refusal(SessionExpired)
    await records.connection.execute("UPDATE sessions SET revoked_at = now()")
    assert (await post_create(client, {"token": session.token, "key": 1})).code_and_body == refusal(InvalidToken)


async def test_expired_before_client_required(client: Client, records: Records) -> None:
    """An expired session of a user without a role is session-expired, and is not shown."""
    session = await records.session_of(*await records.user(), idle=timedelta(hours=73))
    assert (await post_create(client, {"token": session.token, "key": 1})).code_and_body == refusal(SessionExpired)


async def test_client_required_before_params(client: Client, records: Records) -> None:
    """A user without a role learns nothing about params, including the view params."""
    session = await records.session_of(*await records.user())
    response = await post_create(client, {"token": session.token, "key": 1, "session_view": 5})
    body: Any = response.body
    assert response.code_and_body == refusal(ClientRequired, session=body["session"])


async def test_missing_before_invalid(client: Client, application: AppRecord, user_id: int) -> None:
    """Missing params are reported alone."""
    sent = params(application.token, user_id, key=1) | {"required": None}
    assert (await post_create(client, sent)).code_and_body == refusal(MissingParam, ("required", "is required"))


async def test_invalid_before_references(client: Client, application: AppRecord) -> None:
    """An invalid param is reported before a reference that does not exist."""
    absent = [(f"{param}.id", "does not exist") for param in ("required", "requireable")]
    sent = params(application.token, ABSENT_ID)
    assert (await post_create(client, sent | {"key": 1})).code_and_body == refusal(
        InvalidParam, ("key", "must be a string")
    )
    assert (await post_create(client, sent)).code_and_body == refusal(InvalidParam, *absent)


async def test_decoding_before_a_sensitive_route(client: Client, records: Records) -> None:
    """Encoded params are accepted on a sensitive route, and validated next by their token."""
    await records.deploy(sensitive_params=True)
    encoded = base64.b64encode(json.dumps({"key": 1}).encode()).decode()
    assert (await post_raw_create(client, encoded, "text/plain")).code_and_body == NO_TOKEN
