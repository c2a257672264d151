"""The service that generated requests are sent to."""

from collections.abc import AsyncIterator
from importlib.util import find_spec

import pytest

from tests.tools.inputs.service import Deployed, deployed

# atheris has no wheels for some systems.
collect_ignore = [] if find_spec("atheris") else ["test_fuzz_decoding.py"]


@pytest.fixture(scope="session")
async def service(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployed]:
    """One service for all generated requests, which cannot harm it."""
    async with deployed(server_url, template, tmp_path_factory.mktemp("inputs")) as service:
        yield service
