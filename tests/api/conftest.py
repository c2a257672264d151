"""Ways to disturb the database of the service under test."""

from collections.abc import AsyncIterator

import pytest

from tests.proxy import Proxy, proxied


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    """A way to the test's own database that can be cut."""
    async with proxied(database_url) as proxy:
        yield proxy
