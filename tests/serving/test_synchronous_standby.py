"""Without its synchronous standby, the database acknowledges nothing, not even a row that a retry finds."""

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
from service.storage.demo import Demo, make_demo
from tests.factories import ROUTES
from tests.serving.calling import CRASH, QUICK, Caller
from tests.serving.process import serving

STANDBY = "standby"
REPLICATED = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}

# For queries and setup without the standby.
ALONE = {"synchronous_commit": "local"}


@pytest.fixture
async def primary(made: Path, tmp_path: Path) -> AsyncIterator[str]:
    """A PostgreSQL whose commits wait for a standby, which is not running."""
    folder = Path(shutil.copytree(made, tmp_path / ".data"))
    async with run_embedded(folder, settings={**REPLICATED, "synchronous_standby_names": STANDBY}) as server:
        yield server.url


@pytest.fixture
async def observer(primary: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection whose commits do not wait for the standby."""
    connection = await asyncpg.connect(primary, server_settings=ALONE)
    yield connection
    await connection.close()


@pytest.fixture
async def demo(observer: asyncpg.Connection) -> Demo:
    """The demo's records, in the migrated database."""
    await migrate(observer, load_migrations(resource("sql") / "migrations"))
    return await make_demo(observer, ROUTES)


@contextlib.asynccontextmanager
async def standby(primary: str, observer: asyncpg.Connection, folder: Path) -> AsyncIterator[None]:
    """Run a standby that confirms written WAL, for which commits wait, and wait until it is streaming."""
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
    """Cancel every wait of a commit for the standby: those transactions are then committed on the primary only."""
    async with asyncio.timeout(20):
        while await observer.fetchval(
            "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        ):
            await asyncio.sleep(0.05)


async def test_a_retry_waits_too(
    primary: str,
    observer: asyncpg.Connection,
    demo: Demo,
    place: Path,
    tmp_path: Path,
    http: aiohttp.ClientSession,
) -> None:
    """Without the standby a write is unknown. Its retry finds the row, and succeeds only after the standby has it."""
    async with serving(place, environ=QUICK | {"DATABASE_URL": primary}) as serve:
        caller = Caller(http, serve, await serve.workers(), demo)
        for _ in range(2):
            answer = await caller.create("kept", key="once")
            assert (answer.code_and_body, answer.outcome, answer.headers.get("Retry-After")) == (CRASH, "unknown", "1")
            await cancel_waits(observer)
            assert await observer.fetchval("SELECT count(*) FROM requirements WHERE request_id IS NOT NULL") == 1
        async with standby(primary, observer, tmp_path):
            answer = await caller.create("kept", key="once")
            assert (answer.status, answer.outcome) == ("action-successful", "replayed")
            assert (await caller.create("new")).outcome == "created"
        assert await observer.fetchval("SELECT count(*) FROM requirements WHERE request_id IS NOT NULL") == 2


async def test_a_retry_of_what_was_destroyed_waits_too(
    primary: str, observer: asyncpg.Connection, demo: Demo, place: Path, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """A create whose requirement was destroyed since then is replayed only after the standby has it."""
    async with serving(place, environ=QUICK | {"DATABASE_URL": primary}) as serve:
        caller = Caller(http, serve, await serve.workers(), demo)
        async with standby(primary, observer, tmp_path):
            assert (await caller.create("kept", key="once")).outcome == "created"
            requirement_id = await observer.fetchval("SELECT id FROM requirements WHERE request_id IS NOT NULL")
            assert (await caller.call("destroy", "gone", id=requirement_id)).outcome == "destroyed"
        answer = await caller.create("kept", key="once")
        assert (answer.status, answer.outcome) == ("application-crash", "unknown")
        await cancel_waits(observer)
        async with standby(primary, observer, tmp_path):
            answer = await caller.create("kept", key="once")
            assert (answer.status, answer.outcome) == ("action-successful", "replayed")
        assert await observer.fetchval("SELECT count(*) FROM requirements WHERE request_id IS NOT NULL") == 0


async def test_each_repeated_change_waits_too(
    primary: str, observer: asyncpg.Connection, demo: Demo, place: Path, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """A change that is repeated with its key and found succeeds only after the standby has it."""
    reference = {"type": "Service", "id": demo.service_id}
    thing = {"type": "Application", "id": demo.application_id}
    ids = [row["id"] for row in await observer.fetch(ROWS, demo.service_id)]
    calls: dict[str, dict[str, object]] = {
        "update": {"id": ids[0], "value": "changed"},
        "destroy": {"id": ids[1]},
        "destroy_many": {"ids": ids[2:4]},
        "create_many": {"requirements": [{"required": reference, "requireable": thing}]},
        "sync": {"requireable": reference, "requirements": [], "keys": ["synced"]},
    }
    # All batches at once: none waits for the turn of another that waits for the standby.
    environ = QUICK | {"DATABASE_URL": primary, "REQUIREMENTS__DATABASE__BATCH_POOL_SIZE": str(len(calls))}
    async with serving(place, environ=environ) as serve:
        caller = Caller(http, serve, await serve.workers(), demo)

        async def call_each() -> list[tuple[str, str | None]]:
            answers = await asyncio.gather(*(caller.call(action, action, **sent) for action, sent in calls.items()))
            return [(answer.status, answer.outcome) for answer in answers]

        for _ in range(2):
            assert await call_each() == [("application-crash", "unknown")] * len(calls)
            await cancel_waits(observer)
        async with standby(primary, observer, tmp_path):
            assert await call_each() == [("action-successful", "replayed")] * len(calls)


# Requirements to change; the last one is that of a sync.
ROWS = """
INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, key)
SELECT 'Service', $1, 'Service', $1, CASE WHEN number = 5 THEN 'synced' END FROM generate_series(1, 5) AS number
RETURNING id
"""

INSERT = "INSERT INTO services (name) VALUES ('twice') ON CONFLICT (name) DO "


@pytest.mark.parametrize(
    ("insert", "waits"), [(INSERT + "NOTHING", False), (INSERT + "UPDATE SET name = services.name", True)]
)
@pytest.mark.usefixtures("demo")
async def test_what_waits_for_the_standby(primary: str, observer: asyncpg.Connection, insert: str, waits: bool) -> None:
    """After a cancelled wait the row exists. DO NOTHING then returns at once; DO UPDATE waits for the standby."""
    for expected in (True, waits):
        connection = await asyncpg.connect(primary)
        try:
            # The driver cancels the statement on the server after this.
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
