"""The service that generated requests are sent to."""

from collections.abc import AsyncIterator

import pytest

from tests.inputs.service import Deployed, deployed


@pytest.fixture(scope="session")
async def service(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployed]:
    """One service for all generated requests; none of them may harm it."""
    async with deployed(server_url, template, tmp_path_factory.mktemp("inputs")) as service:
        yield service
