"""An embedded PostgreSQL server: a child process with its data, log and lock in one folder."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import asyncpg

from service.embedded_postgres.binaries import (
    Account,
    Binaries,
    EmbeddedPostgresError,
    environment,
    find_binaries,
    last_error_line,
    run_program,
    usable_binaries,
)
from service.embedded_postgres.data_folder import (
    PORT,
    FolderTakenError,
    Postmaster,
    change_owner_of_folder,
    check_version,
    create_cluster,
    lock_folder,
    remove_unfinished_clusters,
    socket_folder,
    stop_orphan,
)

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "attach_or_run", "run_embedded"]

_DATABASE = "requirements"
_POLL_SECONDS = 0.01
_START_SECONDS = 60.0  # includes recovery after a crash
_ATTACH_SECONDS = 10.0
_STOP = ((signal.SIGINT, 3.0), (signal.SIGQUIT, 1.0), (signal.SIGKILL, 1.0))


class EmbeddedPostgres:
    """A running server, started by `run_embedded`. `url` is for asyncpg."""

    def __init__(self, url: str, process: asyncio.subprocess.Process) -> None:
        self.url = url
        self._process = process

    async def wait(self) -> int:
        """Wait until the server exits. Returns its exit code."""
        return await self._process.wait()


@contextlib.asynccontextmanager
async def run_embedded(
    data_folder: Path, *, settings: Mapping[str, str] = MappingProxyType({}), may_create: bool = True
) -> AsyncIterator[EmbeddedPostgres]:
    """Run the PostgreSQL in `data_folder` until the context ends. With `may_create`, it is created if it is missing.

    `settings` are server parameters. Raises EmbeddedPostgresError if it cannot run.
    """
    folder = _absolute(data_folder)
    if not may_create and not folder.exists():
        raise _missing(folder)
    async with contextlib.AsyncExitStack() as stack:
        with _translate_errors(folder):
            await stack.enter_async_context(lock_folder(folder))
            await stop_orphan(folder / "postgres")
            binaries = await _prepare(folder, may_create=may_create)
            sockets = stack.enter_context(socket_folder(folder, binaries))
            process = await stack.enter_async_context(_run_server(folder, binaries, sockets, settings))
            await _wait_until_ready(process, binaries, sockets, folder)
        yield EmbeddedPostgres(_url(sockets, PORT), process)


@contextlib.asynccontextmanager
async def attach_or_run(data_folder: Path, *, may_create: bool) -> AsyncIterator[str]:
    """Yield the URL of the server that another process runs in `data_folder`, or run one until the context ends.

    With `may_create`, it is created if it is missing. Raises EmbeddedPostgresError if neither is possible.
    """
    deadline = time.monotonic() + _ATTACH_SECONDS
    async with contextlib.AsyncExitStack() as stack:
        url = None
        while url is None:
            try:
                url = (await stack.enter_async_context(run_embedded(data_folder, may_create=may_create))).url
            except FolderTakenError:
                url = await _url_of_running(_absolute(data_folder))
                if url is None and time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_POLL_SECONDS)
        yield url


def _missing(folder: Path) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"DATABASE_URL is not set, and {folder} holds no embedded PostgreSQL: set DATABASE_URL, or run "
        "`requirements-service migrate` to create one"
    )


def _absolute(folder: Path) -> Path:
    return folder.absolute()


@contextlib.contextmanager
def _translate_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EmbeddedPostgresError(
            f"cannot run a PostgreSQL in {folder} ({error.strerror or error}: {error.filename or folder}): "
            "fix that, or set DATABASE_URL"
        ) from error
    except asyncpg.PostgresError as error:
        raise EmbeddedPostgresError(
            f"the embedded PostgreSQL refuses connections ({last_error_line(str(error))}): "
            f"see {folder / 'postgres.log'}, or set DATABASE_URL"
        ) from error


async def _prepare(folder: Path, *, may_create: bool) -> Binaries:
    cluster = folder / "postgres"
    if not may_create and not cluster.exists():
        raise _missing(folder)
    binaries = await usable_binaries(find_binaries(), Account.of(cluster if cluster.exists() else folder))
    change_owner_of_folder(binaries, folder)
    remove_unfinished_clusters(folder)
    if not cluster.exists():
        await create_cluster(binaries, cluster)
        remove_unfinished_clusters(folder)
    check_version(binaries, cluster)
    return binaries


def _url(sockets: Path, port: int) -> str:
    return f"postgresql://postgres@/{_DATABASE}?host={quote(os.fsencode(sockets), safe='')}&port={port}"


async def _url_of_running(folder: Path) -> str | None:
    with _translate_errors(folder), contextlib.suppress(asyncpg.InvalidCatalogNameError):
        found = Postmaster.of(folder / "postgres")
        if found and found.ready and await found.is_running():
            url = _url(found.sockets, found.port)
            return url if await _accepts(url) else None
    return None


@contextlib.asynccontextmanager
async def _run_server(
    folder: Path, binaries: Binaries, sockets: Path, settings: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    required = {"listen_addresses": "", "unix_socket_permissions": "0700"}
    parameters = [part for name, value in {**settings, **required}.items() for part in ("-c", f"{name}={value}")]
    paths = ["-D", str(folder / "postgres"), "-k", str(sockets), "-p", str(PORT)]
    with _new_log(folder, binaries) as log:
        process = await asyncio.create_subprocess_exec(
            *binaries.command("postgres", *paths, *parameters),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(),
            start_new_session=True,  # Ctrl-C must not stop the server before the service
        )
    try:
        yield process
    finally:
        await _stop(process)


@contextlib.contextmanager
def _new_log(folder: Path, binaries: Binaries) -> Iterator[int]:
    """Open a new log for writing. The log of the previous run is kept as `postgres.log.1`."""
    path = folder / "postgres.log"
    with contextlib.suppress(FileNotFoundError):
        path.replace(folder / "postgres.log.1")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        binaries.change_owner(path)
        yield descriptor
    finally:
        os.close(descriptor)


async def _stop(process: asyncio.subprocess.Process) -> None:
    try:
        for number, seconds in _STOP:
            if process.returncode is not None:
                return
            with contextlib.suppress(TimeoutError, ProcessLookupError):
                process.send_signal(number)
                await asyncio.wait_for(process.wait(), seconds)
    finally:
        if process.returncode is None:
            process.kill()


async def _wait_until_ready(
    process: asyncio.subprocess.Process, binaries: Binaries, sockets: Path, folder: Path
) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.returncode is None and time.monotonic() < deadline:
        try:
            if await _accepts(_url(sockets, PORT)):
                return
        except asyncpg.InvalidCatalogNameError:
            await _create_database(binaries, sockets)
        await asyncio.sleep(_POLL_SECONDS)
    reason = last_error_line((folder / "postgres.log").read_text(errors="replace"))
    raise EmbeddedPostgresError(
        f"the embedded PostgreSQL did not start ({reason}): see {folder / 'postgres.log'}, or set DATABASE_URL"
    )


async def _accepts(url: str) -> bool:
    """Whether the server accepts connections. Raises asyncpg.InvalidCatalogNameError if the database is missing."""
    try:
        connection = await asyncpg.connect(url, ssl=False, timeout=_ATTACH_SECONDS)
    except asyncpg.TooManyConnectionsError:
        return True
    except (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
        return False
    await connection.close()
    return True


async def _create_database(binaries: Binaries, sockets: Path) -> None:
    connection = ["-h", str(sockets), "-p", str(PORT), "-U", "postgres", "--maintenance-db=postgres"]
    code, output = await run_program(binaries.command("createdb", *connection, _DATABASE))
    if code != 0:
        raise EmbeddedPostgresError(
            f"cannot create the embedded database ({last_error_line(output)}): fix that, or set DATABASE_URL"
        )
