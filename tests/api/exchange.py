"""One exchange over HTTP: what is asked, and the answer, held to what every envelope promises."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
from aiohttp import ClientResponse
from multidict import CIMultiDictProxy

from service.domain.statuses import Status
from tests.conftest import Client
from tests.factories import CREATE

Body = dict[str, Any]
Told = tuple[int, Body]
Headers = Mapping[str, str] | list[tuple[str, str]]

KEY = "Idempotency-Key"


@dataclass(frozen=True)
class Answer:
    """An answer: `told` is its HTTP code and its body without the request_id, which was checked already."""

    told: Told
    headers: CIMultiDictProxy[str]

    @property
    def data(self) -> Any:
        """The record that was told."""
        return self.told[1]["data"]

    @property
    def status(self) -> Any:
        """The name of the status."""
        return self.told[1]["status"]

    @property
    def outcome(self) -> str | None:
        """What the answer says became of the write."""
        return self.headers.get("Requirement-Outcome")


async def read(response: ClientResponse) -> Answer:
    """The answer in `response`, whose envelope keeps every promise that does not depend on its status."""
    body = await response.json()
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    assert body.pop("request_id") == response.headers["X-Request-ID"]
    assert ("errors" in body) == (body["status"] in ("missing-param", "invalid-param"))
    on_create = response.method == "POST" and response.url.path == CREATE
    assert ("Requirement-Outcome" in response.headers) == on_create
    return Answer((response.status, body), response.headers)


async def ask(client: Client, params: object, headers: Headers | None = None) -> Answer:
    """The answer to a create with these params as JSON."""
    return await read(await client.post(CREATE, json=params, headers=headers))


async def ask_raw(client: Client, body: str | bytes, content_type: str) -> Answer:
    """The answer to a create with this body as it is."""
    return await read(await client.post(CREATE, data=body, headers={"Content-Type": content_type}))


def refused(status: type[Status], *errors: tuple[str, str], **views: object) -> Told:
    """What a refusal tells: `errors` are the params at fault, each with its message."""
    body: Body = {"status": status.name, "message": status.message(), "data": None, **views}
    if errors:
        body["errors"] = [{"param": param, "message": message} for param, message in errors]
    return status.http_code, body


def recorded(row: asyncpg.Record, **views: object) -> Told:
    """What a success tells of the record in `row`."""
    data = {
        "id": row["id"],
        "required": {"type": row["required_type"], "id": row["required_id"]},
        "requireable": {"type": row["requireable_type"], "id": row["requireable_id"]},
        "key": row["key"],
        "value": row["value"],
        "created_at": stamp(row["created_at"]),
        "updated_at": stamp(row["updated_at"]),
    }
    return 200, {"status": "action-successful", "message": "The requirement is recorded.", "data": data, **views}


def stamp(moment: datetime) -> str:
    """A moment as the contract writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
