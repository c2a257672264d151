"""The service with a Mandrill on loopback."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from service.api import keys
from service.api.app import create_app
from service.config import Config
from tests.conftest import AppClient, Client
from tests.factories import Records
from tests.mail.mandrill_server import MandrillServer, running

API_KEY = "md-aVeryGoodKeyOf22Chars_0"
SENDER = "requirements@example.com"
RECIPIENTS = ("ann@example.com", "Bob@example.com")

Serve = Callable[[Config], Awaitable[Client]]


@pytest.fixture
async def mandrill() -> AsyncIterator[MandrillServer]:
    """A Mandrill that accepts everything."""
    async with running() as server:
        yield server


@pytest.fixture
def config(config: Config, mandrill: MandrillServer) -> Config:
    """Settings by which e-mails are sent to that Mandrill, and with time for many connections at once."""
    settings = replace(
        config.mandrill,
        api_key=API_KEY,
        recipients=RECIPIENTS,
        sender=SENDER,
        base_url=mandrill.url,
        timeout_seconds=1.0,
    )
    database = replace(config.database, connect_timeout_seconds=20.0, acquire_timeout_seconds=20.0)
    return replace(config, mandrill=settings, database=database)


@pytest.fixture
def serve(records: Records, aiohttp_client: AppClient) -> Serve:
    """Serve with other settings."""

    async def served(config: Config) -> TestClient[web.Request, web.Application]:
        await records.deploy()
        return await aiohttp_client(create_app(config))

    return served


@pytest.fixture
async def still(client: Client) -> Client:
    """A client of a service that retries nothing."""
    client.app[keys.DISPATCHER].stop()
    return client


@pytest.fixture
def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def only(connection: asyncpg.Connection, table: str) -> dict[str, Any]:
    """The one row there is in a table."""
    (row,) = await connection.fetch(f"SELECT * FROM {table}")  # noqa: S608 - a name of ours
    return dict(row)
