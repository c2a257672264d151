"""PostgreSQL is killed right after it was written to: what was acknowledged is there when it is back."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from service.storage.demo import ROUTE, make_demo
from tests.serving.calling import QUICK, Caller, rows
from tests.serving.postgres import Postgres
from tests.serving.process import serving

# It keeps what is written out, which outlives its own end, and nobody writes anything out but the commits themselves.
LAZY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on", "wal_writer_delay": "10s"}


@pytest.fixture
async def lazy(made: Path, tmp_path: Path) -> AsyncIterator[Postgres]:
    """A PostgreSQL that writes a commit down when it is asked to wait for it, and not until much later otherwise."""
    server = Postgres(Path(shutil.copytree(made, tmp_path / ".data")), LAZY)
    await server.start()
    yield server
    await server.stop()


async def test_what_was_acknowledged_survives(lazy: Postgres, place: Path, http: aiohttp.ClientSession) -> None:
    """Killed at the moment of the last answers, the database has every requirement that was acknowledged."""
    async with lazy.connection() as connection:
        await migrate(connection, load_migrations(resource("sql") / "migrations"))
        made = await make_demo(connection, [ROUTE])
    async with serving(place, environ=QUICK | {"DATABASE_URL": lazy.url, "WEB_CONCURRENCY": "1"}) as serve:
        caller = Caller(http, serve, await serve.workers(1), made)
        answers = await asyncio.gather(*[caller.create("acknowledged") for _ in range(8)])
        await lazy.kill()
        assert {answer.status for answer in answers} == {"action-successful"}
        await lazy.start()
        assert await rows(lazy, "acknowledged") == 8
