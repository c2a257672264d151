"""A synchronous standby goes away: nothing is acknowledged that it did not confirm, not even what a retry finds."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import asyncpg
import pytest

from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from service.embedded_postgres.binaries import environment, find_binaries
from service.embedded_postgres.server import run_embedded
from service.storage.demo import ROUTE, Demo, make_demo
from tests.serving.calling import CRASH, QUICK, Caller
from tests.serving.process import serving

STANDBY = "standby"
REPLICATED = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}

# What goes on without the standby: looking, and preparing a test.
ALONE = {"synchronous_commit": "local"}


@pytest.fixture
async def primary(made: Path, tmp_path: Path) -> AsyncIterator[str]:
    """A PostgreSQL whose commits wait for a standby, which is not there."""
    folder = Path(shutil.copytree(made, tmp_path / ".data"))
    async with run_embedded(folder, settings={**REPLICATED, "synchronous_standby_names": STANDBY}) as server:
        yield server.url


@pytest.fixture
async def observer(primary: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that waits for no standby."""
    connection = await asyncpg.connect(primary, server_settings=ALONE)
    yield connection
    await connection.close()


@pytest.fixture
async def made_demo(observer: asyncpg.Connection) -> Demo:
    """The tables and the demo's records."""
    await migrate(observer, load_migrations(resource("sql") / "migrations"))
    return await make_demo(observer, [ROUTE])


@contextlib.asynccontextmanager
async def standby(primary: str, observer: asyncpg.Connection, folder: Path) -> AsyncIterator[None]:
    """A standby that confirms what is written, all that a commit waits for; it is up to date from the start."""
    target = urlsplit(primary)
    (sockets,) = parse_qs(target.query)["host"]
    process = await asyncio.create_subprocess_exec(
        *(find_binaries() / "pg_receivewal", "--synchronous", "--directory", folder),
        *("--dbname", f"host={sockets} user={target.username or 'postgres'} application_name={STANDBY}"),
        env=environment(),
    )
    try:
        async with asyncio.timeout(20):
            while not await observer.fetchval("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"):
                await asyncio.sleep(0.05)
        yield
    finally:
        process.terminate()
        await process.wait()


async def cancel_waits(observer: asyncpg.Connection) -> None:
    """Let no commit wait any longer: those that did are then done here, and seen, but nowhere else."""
    async with asyncio.timeout(20):
        while await observer.fetchval(
            "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        ):
            await asyncio.sleep(0.05)


async def test_a_retry_waits_too(
    primary: str,
    observer: asyncpg.Connection,
    made_demo: Demo,
    place: Path,
    tmp_path: Path,
    http: aiohttp.ClientSession,
) -> None:
    """Without the standby a write is unknown; its retry finds the row and is not told so before the standby has it."""
    async with serving(place, environ=QUICK | {"DATABASE_URL": primary}) as serve:
        caller = Caller(http, serve, await serve.workers(), made_demo)
        for _ in range(2):
            answer = await caller.create("kept", key="once")
            assert (answer.code_and_body, answer.outcome, answer.headers.get("Retry-After")) == (CRASH, "unknown", "1")
            await cancel_waits(observer)
            assert await observer.fetchval("SELECT count(*) FROM requirements") == 1
        async with standby(primary, observer, tmp_path):
            answer = await caller.create("kept", key="once")
            assert (answer.status, answer.outcome) == ("action-successful", "replayed")
            assert (await caller.create("new")).outcome == "created"
        assert await observer.fetchval("SELECT count(*) FROM requirements") == 2


INSERT = "INSERT INTO services (name) VALUES ('twice') ON CONFLICT (name) DO "


@pytest.mark.parametrize(
    ("insert", "waits"), [(INSERT + "NOTHING", False), (INSERT + "UPDATE SET name = services.name", True)]
)
@pytest.mark.usefixtures("made_demo")
async def test_what_a_retry_can_be_told(primary: str, observer: asyncpg.Connection, insert: str, waits: bool) -> None:
    """After a cancelled wait the row is there: a retry that does nothing is told so at once, one that updates waits."""
    for expected in (True, waits):
        connection = await asyncpg.connect(primary)
        try:
            # The driver cancels on the server what takes longer than this.
            assert await _times_out(connection.execute(insert, timeout=1)) is expected
        finally:
            await connection.close()
        assert await observer.fetchval("SELECT count(*) FROM services WHERE name = 'twice'") == 1


async def _times_out(statement: Awaitable[str]) -> bool:
    try:
        await statement
    except TimeoutError:
        return True
    return False
