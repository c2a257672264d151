"""Fixtures: the service with a fake Mandrill server on loopback."""

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
    """A fake Mandrill that accepts every e-mail."""
    async with running() as server:
        yield server


@pytest.fixture
def config(config: Config, mandrill: MandrillServer) -> Config:
    """Settings that send e-mails to the fake Mandrill, with timeouts long enough for many connections at once."""
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
    """Start the service with the given settings."""

    async def start(config: Config) -> TestClient[web.Request, web.Application]:
        await records.deploy()
        return await aiohttp_client(create_app(config))

    return start


@pytest.fixture
async def still(client: Client) -> Client:
    """A client of a service whose dispatcher is stopped, so that no e-mail is retried."""
    client.app[keys.DISPATCHER].stop()
    return client


@pytest.fixture
def closed_port() -> int:
    """A port without a listener."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def only(connection: asyncpg.Connection, table: str) -> dict[str, Any]:
    """The only row of a table."""
    (row,) = await connection.fetch(f"SELECT * FROM {table}")  # noqa: S608 - a fixed name
    return dict(row)
