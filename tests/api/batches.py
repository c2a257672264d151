"""Calls of the actions on many requirements, and what tests read about them."""

from collections.abc import Sequence
from typing import Any

from tests.api.exchange import ApiResponse, Headers, read_envelope
from tests.conftest import Client
from tests.factories import Records

CREATE_MANY = "/api/v1/requirements/create_many"
DESTROY_MANY = "/api/v1/requirements/destroy_many"
SYNC = "/api/v1/requirements/sync"


async def post(client: Client, path: str, token: str, headers: Headers | None = None, **sent: object) -> ApiResponse:
    """Send a call of an action."""
    return await read_envelope(await client.post(path, json={"token": token, **sent}, headers=headers))


def item(user_id: int, value: str | None = None, **changes: object) -> dict[str, Any]:
    """A requirement in a list: both references are to the user; `changes` replace or add params."""
    reference = {"type": "User", "id": user_id}
    return {"required": reference, "requireable": reference, "key": "k", "value": value, **changes}


def verdicts(answer: ApiResponse) -> list[tuple[str, str]]:
    """The status and the outcome of each item."""
    assert answer.status == "action-successful", answer.body
    results = answer.data["results"]
    failed = sum(one["status"] != "action-successful" for one in results)
    assert (answer.data["succeeded"], answer.data["failed"]) == (len(results) - failed, failed)
    assert all(set(one) == {"status", "outcome", "data", "errors"} for one in results)
    return [(one["status"], one["outcome"]) for one in results]


def outcomes(answer: ApiResponse) -> list[str]:
    """The outcome of each item."""
    return [outcome for _, outcome in verdicts(answer)]


def records_of(answer: ApiResponse) -> list[Any]:
    """The record of each item."""
    assert answer.status == "action-successful", answer.body
    return [one["data"] for one in answer.data["results"]]


def errors_of(answer: ApiResponse) -> list[list[tuple[str, str]]]:
    """The errors of each item: param and message."""
    return [[(error["param"], error["message"]) for error in one["errors"]] for one in answer.data["results"]]


async def events(records: Records) -> list[tuple[str, int, str | None]]:
    """The recorded changes: kind, requirement and value, in their order."""
    rows = await records.connection.fetch(
        "SELECT change, requirement_id, value FROM changes ORDER BY transaction_id, id"
    )
    return [tuple(row) for row in rows]


async def values(records: Records) -> Sequence[str | None]:
    """The values in the table, by id."""
    return [row["value"] for row in await records.connection.fetch("SELECT value FROM requirements ORDER BY id")]
