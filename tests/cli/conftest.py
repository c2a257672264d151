"""Fixtures that run the command line on the test's own database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.command import CommandLine
from tests.databases import new_database


@pytest.fixture
def command(tmp_path: Path, database_url: str) -> CommandLine:
    """The command line on the test's own migrated database."""
    return CommandLine(tmp_path, database_url)


@pytest.fixture
async def bare(tmp_path: Path, server_url: str) -> AsyncIterator[CommandLine]:
    """The command line on an empty database."""
    async with new_database(server_url) as url:
        yield CommandLine(tmp_path, url)
