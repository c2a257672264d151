"""The data folder of an embedded PostgreSQL: its lock, its cluster, its socket, and cleanup after a crash."""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from service.embedded_postgres.binaries import (
    Account,
    Binaries,
    EmbeddedPostgresError,
    last_error_line,
    run_program,
)

PORT = 5432  # part of the socket's name; the server does not listen on TCP
_LONGEST_SOCKET_PATH = 107  # bytes; the kernel's limit
_POLL_SECONDS = 0.01
_LOCK_SECONDS = 5.0
_ORPHAN_STOP = ((signal.SIGINT, 5.0), (signal.SIGQUIT, 6.0), (signal.SIGKILL, 2.0))


class FolderTakenError(EmbeddedPostgresError):
    """Another process runs the PostgreSQL in this folder."""


@contextlib.asynccontextmanager
async def lock_folder(folder: Path) -> AsyncIterator[None]:
    """Create `folder` if it is missing, and lock it until the context ends.

    Raises FolderTakenError if another process has locked it, or OSError.
    """
    descriptor = _open_lock(folder)
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while not _locked(descriptor):
            owner = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            # Children forked by a killed owner hold its lock until they exit.
            if (owner.isdecimal() and _alive(int(owner))) or time.monotonic() > deadline:
                raise FolderTakenError(
                    f"another process (pid {owner or 'unknown'}) already runs the PostgreSQL kept in "
                    f"{folder}: stop it, or set DATABASE_URL"
                )
            await asyncio.sleep(_POLL_SECONDS)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _open_lock(folder: Path) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def create_cluster(binaries: Binaries, cluster: Path) -> None:
    """Create `cluster`, PostgreSQL's data folder, atomically.

    Raises EmbeddedPostgresError if initdb fails, or OSError.
    """
    # A new name each time: an initdb whose parent was killed may still write to its folder.
    unfinished = cluster.with_name(f"postgres.new-{secrets.token_hex(4)}")
    options = "-U postgres --auth=trust -E UTF8 --locale=C.UTF-8 --no-sync --no-instructions"
    code, output = await run_program(binaries.command("initdb", "-D", str(unfinished), *options.split()))
    if code != 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise EmbeddedPostgresError(
            f"cannot create the embedded PostgreSQL in {cluster} ({last_error_line(output)}): "
            "fix that, or set DATABASE_URL"
        )
    unfinished.rename(cluster)


def remove_unfinished_clusters(folder: Path) -> None:
    """Remove the clusters of killed first starts from `folder`."""
    for leftover in folder.glob("postgres.new*"):
        shutil.rmtree(leftover, ignore_errors=True)


def change_owner_of_folder(binaries: Binaries, folder: Path) -> None:
    """Make the server's account the owner of `folder`, its lock and its cluster. Raises OSError."""
    cluster = folder / "postgres"
    changes = cluster.exists() and Account.of(cluster).uid != binaries.account.uid
    for path in [folder, folder / "lock", *([cluster, *cluster.rglob("*")] if changes else [])]:
        binaries.change_owner(path)


def check_version(binaries: Binaries, cluster: Path) -> None:
    """Raise EmbeddedPostgresError unless `cluster` is a data folder of the version of `binaries`."""
    try:
        found = (cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise EmbeddedPostgresError(
            f"{cluster} is not a data folder of PostgreSQL: move it away, or set DATABASE_URL"
        ) from None
    if found != str(binaries.major):
        raise EmbeddedPostgresError(
            f"{cluster} is of PostgreSQL {found} and this build runs {binaries.major}: dump it with "
            f"PostgreSQL {found}, or move the folder away to start with an empty one, or set DATABASE_URL"
        )


@contextlib.contextmanager
def socket_folder(folder: Path, binaries: Binaries) -> Iterator[Path]:
    """Create the folder of the server's socket: in `folder`, or elsewhere if that path is too long for a socket.

    The caller must have locked `folder`, with no server running. Raises EmbeddedPostgresError, or OSError.
    """
    inside = folder / "run"
    sockets = inside if _fits(inside) else _short_name(folder)
    with contextlib.suppress(FileExistsError):
        sockets.mkdir(mode=0o700)
        binaries.change_owner(sockets)
    if sockets == inside:
        binaries.change_owner(sockets)
    _check_private(sockets, binaries)
    # As with postmaster.pid: another process may now have the pid of a killed server.
    (sockets / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)
    try:
        yield sockets
    finally:
        if sockets != inside:
            with contextlib.suppress(OSError):
                sockets.rmdir()


def _short_name(folder: Path) -> Path:
    name = "requirements-" + hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    parents = [os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir()]
    usable = [Path(parent, name) for parent in parents if parent and os.access(parent, os.W_OK)]
    short = next(filter(_fits, usable), None)
    if short is None:
        raise EmbeddedPostgresError(
            f"{folder} is too long for the path of a socket: set TMPDIR to a short path, or set DATABASE_URL"
        )
    return short


def _fits(sockets: Path) -> bool:
    """Whether the server and its clients accept the path: both split lists of folders at commas."""
    path = os.fsencode(sockets / f".s.PGSQL.{PORT}.lock")
    return len(path) <= _LONGEST_SOCKET_PATH and not set(b',"') & set(path)


def _check_private(sockets: Path, binaries: Binaries) -> None:
    status = sockets.lstat()
    private = stat.S_ISDIR(status.st_mode) and not stat.S_IMODE(status.st_mode) & 0o077
    if not private or status.st_uid != binaries.account.uid:
        raise EmbeddedPostgresError(f"{sockets} is not a private folder: remove it, or set DATABASE_URL")


@dataclass(frozen=True)
class Postmaster:
    """The contents of `postmaster.pid` in a data folder."""

    cluster: Path
    pid: int
    port: int
    sockets: Path
    ready: bool

    @classmethod
    def of(cls, cluster: Path) -> Self | None:
        """Read the file. Returns None if it is missing or incomplete. Raises OSError."""
        try:
            lines = os.fsdecode((cluster / "postmaster.pid").read_bytes()).splitlines() + [""] * 8
            pid, port = int(lines[0]), int(lines[3] or PORT)
        except (FileNotFoundError, ValueError):
            return None
        return cls(cluster, pid, port, Path(lines[4]), ready=lines[7].strip() == "ready")

    async def is_running(self) -> bool:
        """Whether that server is running. Compares command lines, because another process may now have its pid."""
        command_line = _command_line(self.pid)
        if command_line is None:
            _, command_line = await run_program(["ps", "-ww", "-o", "args=", "-p", str(self.pid)])
        return f"/postgres -D {self.cluster} -k " in command_line


def _command_line(pid: int) -> str | None:
    """Return a process's command line: empty if it has exited, None if the system has no /proc."""
    if not Path("/proc/self/cmdline").exists():
        return None
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" "))
    except OSError:
        return ""


async def stop_orphan(cluster: Path) -> None:
    """Stop the server that a killed owner left running, and remove a stale `postmaster.pid`.

    The caller must have locked the folder. Raises EmbeddedPostgresError if the server does not exit, or OSError.
    """
    found = Postmaster.of(cluster)
    if found and not _alive(found.pid):
        return
    for number, seconds in _ORPHAN_STOP:
        if found and await found.is_running():
            os.kill(found.pid, number)
            await _wait_for_exit(found, seconds)
    if found and await found.is_running():
        raise EmbeddedPostgresError(
            f"a PostgreSQL left running in {cluster} (pid {found.pid}) does not exit: kill it, or set DATABASE_URL"
        )
    # PostgreSQL refuses to start with an empty file, or with the pid of any running process.
    (cluster / "postmaster.pid").unlink(missing_ok=True)


async def _wait_for_exit(server: Postmaster, seconds: float) -> None:
    for _ in range(int(seconds / _POLL_SECONDS)):
        if not await server.is_running():
            return
        await asyncio.sleep(_POLL_SECONDS)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
