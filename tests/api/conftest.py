"""Fixtures that disturb the database of the service under test."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from service.api.app import create_app
from service.config import Config
from tests.conftest import AppClient, Client
from tests.factories import Records
from tests.proxy import Proxy, proxied


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    """A proxy to the test's own database."""
    async with proxied(database_url) as proxy:
        yield proxy


def with_database(config: Config, url: str) -> Config:
    """The settings with another database URL."""
    return replace(config, database=replace(config.database, url=url))


@pytest.fixture
async def proxied_client(config: Config, records: Records, proxy: Proxy, aiohttp_client: AppClient) -> Client:
    """A client of a service that reaches its database through the proxy."""
    await records.deploy()
    return await aiohttp_client(create_app(with_database(config, proxy.url)))
