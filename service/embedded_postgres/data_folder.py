"""The folder of an embedded PostgreSQL: its one owner, its data, its socket, and what a crash left there."""

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
    run_program,
    telling_line,
)

PORT = 5432  # names the socket; nothing listens on TCP
_LONGEST_SOCKET_PATH = 107  # bytes, a limit of the kernel
_POLL_SECONDS = 0.01
_LOCK_SECONDS = 5.0
_ORPHAN_STOP = ((signal.SIGINT, 5.0), (signal.SIGQUIT, 6.0), (signal.SIGKILL, 2.0))


class FolderTakenError(EmbeddedPostgresError):
    """Another process runs the PostgreSQL of this folder."""


@contextlib.asynccontextmanager
async def owned(folder: Path) -> AsyncIterator[None]:
    """Make `folder` when missing and be its one owner until the context ends.

    Raises FolderTakenError, and OSError.
    """
    descriptor = _open_lock(folder)
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while not _locked(descriptor):
            owner = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            # Workers forked by an owner that was killed hold its lock until they end too.
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
    """Make `cluster` a new data folder of PostgreSQL, all of it or nothing.

    Raises EmbeddedPostgresError, and OSError.
    """
    # Never the same name twice: an initdb whose owner was killed may write on in its own for a moment.
    unfinished = cluster.with_name(f"postgres.new-{secrets.token_hex(4)}")
    options = "-U postgres --auth=trust -E UTF8 --locale=C.UTF-8 --no-sync --no-instructions"
    code, output = await run_program(binaries.command("initdb", "-D", str(unfinished), *options.split()))
    if code != 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise EmbeddedPostgresError(
            f"cannot create the embedded PostgreSQL in {cluster} ({telling_line(output)}): "
            "put that right, or set DATABASE_URL"
        )
    unfinished.rename(cluster)


def clear_unfinished(folder: Path) -> None:
    """Remove what first starts that were killed left in `folder`."""
    for leftover in folder.glob("postgres.new*"):
        shutil.rmtree(leftover, ignore_errors=True)


def hand_over(binaries: Binaries, folder: Path) -> None:
    """Make what `folder` holds of ours the property of the server's account. Raises OSError."""
    cluster = folder / "postgres"
    moving = cluster.exists() and Account.of(cluster).uid != binaries.account.uid
    for path in [folder, folder / "lock", *([cluster, *cluster.rglob("*")] if moving else [])]:
        binaries.give(path)


def check_version(binaries: Binaries, cluster: Path) -> None:
    """Raise EmbeddedPostgresError unless `cluster` is a data folder that `binaries` can run."""
    try:
        found = (cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise EmbeddedPostgresError(
            f"{cluster} is not a data folder of PostgreSQL: move it away, or set DATABASE_URL"
        ) from None
    if found != str(binaries.major):
        raise EmbeddedPostgresError(
            f"{cluster} is of PostgreSQL {found} and this build runs {binaries.major}: dump it with "
            f"PostgreSQL {found}, or move the folder away to begin anew, or set DATABASE_URL"
        )


@contextlib.contextmanager
def socket_folder(folder: Path, binaries: Binaries) -> Iterator[Path]:
    """Make the folder for the server's socket: inside `folder`, or a short one when that is too long a path.

    The caller owns `folder`, and no server runs there. Raises EmbeddedPostgresError, and OSError.
    """
    inside = folder / "run"
    sockets = inside if _fits(inside) else _short_name(folder)
    with contextlib.suppress(FileExistsError):
        sockets.mkdir(mode=0o700)
        binaries.give(sockets)
    if sockets == inside:
        binaries.give(sockets)
    _check_private(sockets, binaries)
    # As with postmaster.pid: a killed server's pid may be a stranger's by now.
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
            f"{folder} is too long a path for a socket: set TMPDIR to a short one, or set DATABASE_URL"
        )
    return short


def _fits(sockets: Path) -> bool:
    """Whether the server and its clients can name a socket there: both split lists of folders at commas."""
    path = os.fsencode(sockets / f".s.PGSQL.{PORT}.lock")
    return len(path) <= _LONGEST_SOCKET_PATH and not set(b',"') & set(path)


def _check_private(sockets: Path, binaries: Binaries) -> None:
    status = sockets.lstat()
    private = stat.S_ISDIR(status.st_mode) and not stat.S_IMODE(status.st_mode) & 0o077
    if not private or status.st_uid != binaries.account.uid:
        raise EmbeddedPostgresError(f"{sockets} is not a folder of ours alone: remove it, or set DATABASE_URL")


@dataclass(frozen=True)
class Postmaster:
    """What `postmaster.pid` in a data folder says about the server that wrote it."""

    cluster: Path
    pid: int
    port: int
    sockets: Path
    ready: bool

    @classmethod
    def of(cls, cluster: Path) -> Self | None:
        """Read the file, which may be half written yet; None when there is none to read. Raises OSError."""
        try:
            lines = os.fsdecode((cluster / "postmaster.pid").read_bytes()).splitlines() + [""] * 8
            pid, port = int(lines[0]), int(lines[3] or PORT)
        except (FileNotFoundError, ValueError):
            return None
        return cls(cluster, pid, port, Path(lines[4]), ready=lines[7].strip() == "ready")

    async def runs(self) -> bool:
        """Whether that server is running: its pid may have become another program's since."""
        arguments = _arguments(self.pid)
        if arguments is None:
            _, arguments = await run_program(["ps", "-ww", "-o", "args=", "-p", str(self.pid)])
        return f"/postgres -D {self.cluster} -k " in arguments


def _arguments(pid: int) -> str | None:
    """Tell a process's command line, empty when it has ended; None where the system has no /proc."""
    if not Path("/proc/self/cmdline").exists():
        return None
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" "))
    except OSError:
        return ""


async def stop_orphan(cluster: Path) -> None:
    """Stop the server that a killed owner left running; clear away a `postmaster.pid` naming a stranger.

    The caller owns the folder. Raises EmbeddedPostgresError when it does not end, and OSError.
    """
    found = Postmaster.of(cluster)
    if found and not _alive(found.pid):
        return
    for number, seconds in _ORPHAN_STOP:
        if found and await found.runs():
            os.kill(found.pid, number)
            await _until_ended(found, seconds)
    if found and await found.runs():
        raise EmbeddedPostgresError(
            f"a PostgreSQL left running in {cluster} (pid {found.pid}) does not end: kill it, or set DATABASE_URL"
        )
    # An empty file stops PostgreSQL for good, and so does any live pid, even if it is another program's by now.
    (cluster / "postmaster.pid").unlink(missing_ok=True)


async def _until_ended(server: Postmaster, seconds: float) -> None:
    for _ in range(int(seconds / _POLL_SECONDS)):
        if not await server.runs():
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
