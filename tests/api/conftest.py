"""Fixtures that disturb the database of the service under test."""

from collections.abc import AsyncIterator

import pytest

from tests.proxy import Proxy, proxied


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    """A proxy to the test's own database."""
    async with proxied(database_url) as proxy:
        yield proxy
