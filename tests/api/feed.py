"""Helpers to change requirements and to read the change feed."""

from collections.abc import AsyncIterator
from typing import Any

from service.api import keys
from service.database.pool import Database
from tests.api.exchange import ApiResponse, Headers, read_envelope
from tests.conftest import Client
from tests.factories import CHANGES

UPDATE = "/api/v1/requirements/update"
DESTROY = "/api/v1/requirements/destroy"
INSERT = """
INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, value)
VALUES ('User', 1, 'User', 2, $1) RETURNING id
"""


async def post(client: Client, path: str, token: str, headers: Headers | None = None, **sent: object) -> ApiResponse:
    """Send a call of an action. Before one of `changes`, wait until everything committed can be read."""
    if path == CHANGES:
        app = client.app
        assert app is not None
        await settle(app[keys.READ_DATABASE])
    return await read_envelope(await client.post(path, json={"token": token, **sent}, headers=headers))


async def settle(database: Database) -> None:
    """Wait until the transactions that are under way have ended, also those of other tests on the same server."""
    (row,) = await database.fetch("SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS next")
    while not (
        await database.fetch("SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::text::xid8 AS ended", row["next"])
    )[0]["ended"]:
        pass


async def pages(client: Client, token: str, **sent: Any) -> AsyncIterator[Any]:
    """The data of each page, from the one that is asked for to the end."""
    while True:
        answer = await post(client, CHANGES, token, **sent)
        assert answer.status == "action-successful", answer.body
        yield answer.data
        if answer.data["complete"]:
            return
        sent["after"] = answer.data["next"]


async def returned(client: Client, token: str, **sent: Any) -> list[tuple[str, str | None]]:
    """The change and the value of each event on all pages."""
    return [
        (event["change"], event["requirement"]["value"])
        async for data in pages(client, token, **sent)
        for event in data["results"]
    ]
