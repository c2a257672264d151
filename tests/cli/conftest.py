"""The command line on a database of the test's own."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.cli.command import CommandLine
from tests.conftest import on_database


@pytest.fixture
def command(tmp_path: Path, database_url: str) -> CommandLine:
    """Runs commands on the test's own migrated database."""
    return CommandLine(tmp_path, database_url)


@pytest.fixture
async def bare(tmp_path: Path, server_url: str) -> AsyncIterator[CommandLine]:
    """Runs commands on an empty database."""
    name = f"bare_{secrets.token_hex(6)}"
    server = await asyncpg.connect(server_url)
    await server.execute(f"CREATE DATABASE {name}")
    yield CommandLine(tmp_path, on_database(server_url, name))
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await server.close()
