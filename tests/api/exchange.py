"""Helpers to send a request to the API, check its envelope, and build the expected response."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
from aiohttp import ClientResponse
from multidict import CIMultiDictProxy

from service.api.actions import ACTIONS
from service.domain.statuses import Status
from tests.conftest import Client
from tests.factories import CREATE, SessionRecord, params

Body = dict[str, Any]
CodeAndBody = tuple[int, Body]
Headers = Mapping[str, str] | list[tuple[str, str]]

IDEMPOTENCY_KEY = "Idempotency-Key"

# The method and path of every action that writes: its answers have an outcome.
WRITES = {(method, action.path) for action in ACTIONS if action.writes for method in action.methods}


@dataclass(frozen=True)
class ApiResponse:
    """A response whose envelope has been checked. `body` has no `request_id`, because `read_envelope` checks it."""

    code: int
    body: Body
    headers: CIMultiDictProxy[str]

    @property
    def code_and_body(self) -> CodeAndBody:
        """The HTTP code and the body, to compare with `refusal` and `success`."""
        return self.code, self.body

    @property
    def data(self) -> Any:
        """The requirement in the body, or None."""
        return self.body["data"]

    @property
    def status(self) -> Any:
        """The name of the status."""
        return self.body["status"]

    @property
    def outcome(self) -> str | None:
        """The value of the `Requirement-Outcome` header."""
        return self.headers.get("Requirement-Outcome")


async def read_envelope(response: ClientResponse) -> ApiResponse:
    """Read `response` and check the headers and body fields that every envelope has, whatever its status."""
    body = await response.json()
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    assert body.pop("request_id") == response.headers["X-Request-ID"]
    assert ("errors" in body) == (body["status"] in ("missing-param", "invalid-param"))
    called = (response.method, response.url.path)
    assert ("Requirement-Outcome" in response.headers) == (called in WRITES)
    return ApiResponse(response.status, body, response.headers)


async def post_create(client: Client, params: object, headers: Headers | None = None) -> ApiResponse:
    """Send a create with these params as JSON."""
    return await read_envelope(await client.post(CREATE, json=params, headers=headers))


async def post_create_by(client: Client, session: SessionRecord, **changes: object) -> ApiResponse:
    """Send a valid create with the session's token, and these params replaced or added."""
    return await post_create(client, params(session.token, session.user_id, **changes))


async def post_raw_create(client: Client, body: str | bytes, content_type: str) -> ApiResponse:
    """Send a create with this body, unchanged."""
    return await read_envelope(await client.post(CREATE, data=body, headers={"Content-Type": content_type}))


def refusal(status: type[Status], *errors: tuple[str, str], **views: object) -> CodeAndBody:
    """The expected response of a refusal. `errors` are pairs of param and message."""
    body: Body = {"status": status.name, "message": status.message(), "data": None, **views}
    if errors:
        body["errors"] = [{"param": param, "message": message} for param, message in errors]
    return status.http_code, body


def success(row: asyncpg.Record, **views: object) -> CodeAndBody:
    """The expected response of a successful create that stored `row`."""
    data = {
        "id": row["id"],
        "required": {"type": row["required_type"], "id": row["required_id"]},
        "requireable": {"type": row["requireable_type"], "id": row["requireable_id"]},
        "key": row["key"],
        "value": row["value"],
        "created_at": timestamp(row["created_at"]),
        "updated_at": timestamp(row["updated_at"]),
    }
    return 200, {"status": "action-successful", "message": "The requirement is recorded.", "data": data, **views}


def timestamp(moment: datetime) -> str:
    """A timestamp in the contract's format: RFC 3339, UTC, with microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
