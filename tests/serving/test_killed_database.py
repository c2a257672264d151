"""PostgreSQL is killed right after a write: every acknowledged requirement survives."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from service.storage.demo import make_demo
from tests.factories import ROUTES
from tests.serving.calling import QUICK, Caller, rows
from tests.serving.postgres import Postgres
from tests.serving.process import serving

# What the server has written survives its kill without fsync. Only commits write WAL, because the WAL writer sleeps.
LAZY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on", "wal_writer_delay": "10s"}


@pytest.fixture
async def lazy(made: Path, tmp_path: Path) -> AsyncIterator[Postgres]:
    """A PostgreSQL that writes the WAL at a synchronous commit, and only after 10 seconds otherwise."""
    server = Postgres(Path(shutil.copytree(made, tmp_path / ".data")), LAZY)
    await server.start()
    yield server
    await server.stop()


async def test_what_was_acknowledged_survives(lazy: Postgres, place: Path, http: aiohttp.ClientSession) -> None:
    """When the database is killed right after the responses, it still has every acknowledged requirement."""
    async with lazy.connection() as connection:
        await migrate(connection, load_migrations(resource("sql") / "migrations"))
        demo = await make_demo(connection, ROUTES)
    async with serving(place, environ=QUICK | {"DATABASE_URL": lazy.url, "WEB_CONCURRENCY": "1"}) as serve:
        caller = Caller(http, serve, await serve.workers(1), demo)
        answers = await asyncio.gather(*[caller.create("acknowledged") for _ in range(8)])
        await lazy.kill()
        assert {answer.status for answer in answers} == {"action-successful"}
        await lazy.start()
        assert await rows(lazy, "acknowledged") == 8
