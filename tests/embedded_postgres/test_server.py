"""The embedded PostgreSQL as a real process: starts, stops, owners, crashes and users."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from service.embedded_postgres.data_folder import Postmaster
from service.embedded_postgres.server import EmbeddedPostgresError, attach_or_run, run_embedded

FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
OWNER = """
import asyncio, sys
from pathlib import Path
from service.embedded_postgres.server import run_embedded

async def main():
    async with run_embedded(Path(sys.argv[1])) as server:
        print(server.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder after its first run. Copying it is much faster than initdb."""
    folder = tmp_path_factory.mktemp("made") / ".data"
    async with run_embedded(folder, settings=FAST) as server:
        await execute(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    return folder


@pytest.fixture
def data_folder(made: Path, tmp_path: Path) -> Path:
    """A data folder with a table `kept`, for one test."""
    return Path(shutil.copytree(made, tmp_path / ".data"))


async def execute(url: str, statement: str) -> object:
    """Run `statement` on a new connection. Returns its single value."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def answer(url: str) -> object:
    """Read the table `kept` of the copied data folder. Returns 42."""
    return await execute(url, "SELECT answer FROM kept")


async def until(condition: Callable[[], object]) -> None:
    """Wait until `condition()` is true, for at most ten seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def owner(
    folder: Path, *prefix: str, path: str = os.environ["PATH"]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start another process that runs the PostgreSQL in `folder` until its standard input is closed."""
    process = await asyncio.create_subprocess_exec(
        *(*prefix, sys.executable, "-c", OWNER, str(folder)),
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PATH": path},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        await process.communicate(b"")


async def url_of(process: asyncio.subprocess.Process) -> str:
    """Wait for the URL that an owner prints when its server is ready. Empty if it failed."""
    assert process.stdout
    return (await process.stdout.readline()).decode().strip()


def postmaster(folder: Path) -> Postmaster:
    """The server that runs in `folder`."""
    found = Postmaster.of(folder / "postgres")
    assert found
    return found


async def wait_for_exit(server: Postmaster) -> None:
    """Wait until `server` has exited."""
    deadline = time.monotonic() + 10
    while await server.is_running():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def test_first_start_is_durable(tmp_path: Path) -> None:
    """In a new folder, the server is durable, private, and without a TCP port."""
    async with run_embedded(tmp_path / "deep" / ".data") as server:
        assert await execute(server.url, "SELECT current_setting('fsync')") == "on"
        assert await execute(server.url, "SELECT current_setting('listen_addresses')") == ""
    assert (tmp_path / "deep" / ".data").stat().st_mode & 0o777 == 0o700


async def test_restart_keeps_the_data(data_folder: Path) -> None:
    """Data survives a restart."""
    async with run_embedded(data_folder, settings=FAST) as server:
        assert await answer(server.url) == 42
        assert await execute(server.url, "SELECT current_setting('fsync')") == "off"
    assert Postmaster.of(data_folder / "postgres") is None


async def test_stop_does_not_wait_for_clients(data_folder: Path) -> None:
    """A connected client does not delay the stop, and is disconnected."""
    async with run_embedded(data_folder, settings=FAST) as server:
        connection = await asyncpg.connect(server.url)
        started_at = time.monotonic()
    assert time.monotonic() - started_at < 4
    assert await server.wait() == 0
    await until(connection.is_closed)


async def test_wait_returns_when_the_server_is_killed(data_folder: Path) -> None:
    """`wait` returns when the server is killed, and the next run recovers the data."""
    async with run_embedded(data_folder, settings=FAST) as server:
        killed = psutil.Process(postmaster(data_folder).pid)
        children = killed.children()
        killed.kill()
        assert await server.wait() == -signal.SIGKILL
        # They use the shared memory until they notice.
        await until(lambda: not any(child.is_running() for child in children))
    async with run_embedded(data_folder, settings=FAST) as server:
        assert await answer(server.url) == 42


async def test_attach_to_the_running_server(data_folder: Path) -> None:
    """`attach_or_run` uses the server that another process runs, and leaves it running."""
    async with owner(data_folder) as running:
        url = await url_of(running)
        async with attach_or_run(data_folder, may_create=False) as attached:
            assert attached == url
            assert await answer(attached) == 42
        assert await answer(url) == 42


async def test_attach_waits_for_a_server_that_is_starting(tmp_path: Path) -> None:
    """During the first start of another process, `attach_or_run` waits for the database."""
    async with owner(tmp_path / ".data"):
        await until(lambda: list(tmp_path.glob(".data/postgres.new*")))
        async with attach_or_run(tmp_path / ".data", may_create=False) as url:
            assert await execute(url, "SELECT current_database()") == "requirements"


async def test_attach_runs_one_when_none_runs(data_folder: Path) -> None:
    """`attach_or_run` runs a server until its context ends if there is none."""
    async with attach_or_run(data_folder, may_create=False) as url:
        assert await answer(url) == 42
    assert Postmaster.of(data_folder / "postgres") is None


@pytest.mark.parametrize("folder_exists", [True, False])
async def test_attach_creates_nothing(tmp_path: Path, *, folder_exists: bool) -> None:
    """Unless it may, `attach_or_run` creates no cluster. The error says how to get a database."""
    folder = tmp_path / ".data"
    if folder_exists:
        folder.mkdir()
    with pytest.raises(EmbeddedPostgresError, match=r"DATABASE_URL is not set, and .* holds no embedded PostgreSQL"):
        await attach_or_run(folder, may_create=False).__aenter__()
    assert folder.exists() == folder_exists
    assert not (folder / "postgres").exists()


async def test_a_second_owner_is_refused(data_folder: Path) -> None:
    """Only one process can run the server of a folder. The error names its pid."""
    async with owner(data_folder) as running:
        await url_of(running)
        with pytest.raises(EmbeddedPostgresError, match=rf"another process \(pid {running.pid}\) already runs"):
            await run_embedded(data_folder, settings=FAST).__aenter__()


async def test_the_server_exits_when_its_owner_is_killed(data_folder: Path) -> None:
    """After SIGKILL of the owner, its server exits, and the next start finds the data."""
    async with owner(data_folder) as running:
        await url_of(running)
        server = postmaster(data_folder)
        running.kill()
    if shutil.which("setpriv"):
        await wait_for_exit(server)
    async with run_embedded(data_folder, settings=FAST) as taken:
        assert await answer(taken.url) == 42


async def test_an_orphan_is_stopped(data_folder: Path, tmp_path: Path) -> None:
    """Without setpriv, a killed owner leaves its server running. The next owner stops it."""
    (tmp_path / "bin").mkdir()
    if unshare := shutil.which("unshare"):
        (tmp_path / "bin" / "unshare").symlink_to(unshare)
    async with owner(data_folder, path=str(tmp_path / "bin")) as running:
        await url_of(running)
        running.kill()
    orphan = postmaster(data_folder)
    assert await orphan.is_running()
    async with run_embedded(data_folder, settings=FAST) as server:
        assert not await orphan.is_running()
        assert await answer(server.url) == 42


async def test_a_first_start_may_be_killed(tmp_path: Path) -> None:
    """After a kill during the creation of the data folder, the next start works."""
    folder = tmp_path / ".data"
    async with owner(folder) as running:
        await until(lambda: list(folder.glob("postgres.new*/base")))
        running.kill()
    async with run_embedded(folder, settings=FAST) as server:
        assert await execute(server.url, "SELECT current_database()") == "requirements"
    assert not list(folder.glob("postgres.new*"))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder outside pytest's folders, which other users cannot enter."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def ordinary(uid: int, folder: Path) -> list[str]:
    """The command prefix that runs a program as an ordinary user who owns `folder`.

    If other users cannot run this interpreter, it is the current user with another user id, in a user namespace.
    """
    run_as = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    trial = [*run_as, sys.executable, "-c", "import asyncpg"]
    if subprocess.run(trial, capture_output=True, check=False).returncode:  # noqa: S603 - a fixed command
        return ["unshare", f"--map-user={uid}", f"--map-group={uid}"]
    os.chown(folder, uid, uid)
    return run_as


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change its user")
@pytest.mark.parametrize("uid", [65534, 4321], ids=["nobody", "without a name"])
async def test_an_ordinary_user(open_folder: Path, uid: int) -> None:
    """An ordinary user needs no privileges and no user name. The server exits when its owner is killed."""
    async with owner(open_folder, *ordinary(uid, open_folder)) as running:
        assert await execute(await url_of(running), "SELECT current_user") == "postgres"
        server = postmaster(open_folder)
        running.kill()
    await wait_for_exit(server)
