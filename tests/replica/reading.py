"""Calls of a service that has a replica, and which server answered."""

import asyncio
from collections.abc import Mapping
from typing import Any

from service.api import keys
from service.api.actions import ACTIONS
from service.api.replica_reads import ReplicaReads
from tests.api.exchange import ApiResponse, read_envelope
from tests.conftest import Client

REPLICA, PRIMARY = "replica", None

READS = [action for action in ACTIONS if action.reads_replicas]

PATIENCE_SECONDS = 20.0


def reads_of(client: Client) -> ReplicaReads:
    """The reads from the replica in the client's service."""
    assert client.app is not None
    return client.app[keys.REPLICA_READS]


async def settled(client: Client, *, usable: bool = True) -> Client:
    """Return the client once its service uses the replica, or uses it no more."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while reads_of(client).replica.usable is not usable:
            await asyncio.sleep(0.01)
    return client


async def post(
    client: Client, action: str, token: str, headers: Mapping[str, str] | None = None, **sent: Any
) -> ApiResponse:
    """Call an action."""
    path = f"/api/v1/requirements/{action}"
    return await read_envelope(await client.post(path, json={"token": token, **sent}, headers=headers))


def server(answer: ApiResponse) -> str | None:
    """The server that a successful answer is from: `REPLICA` or `PRIMARY`."""
    assert answer.status == "action-successful", answer.body
    return answer.headers.get("X-Read-From")
