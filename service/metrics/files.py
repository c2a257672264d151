"""Metrics files: each process writes its metrics to files in a shared folder, and one process reads them all.

Files are named after the worker's place (`0`, `1`), not after its process id. A replacement worker opens the files
of its predecessor, so counters continue and the folder does not grow with every restart.

Metrics must not end a process or prevent its start. If a file cannot be written, its metrics are kept in memory.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import values
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

PREFIX = "requirements-metrics-"
MIN_STALE_SECONDS = 60.0

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

# The size of a new file. The library doubles it when it is full.
FILE_BYTES = 64 * 1024

log = structlog.get_logger()


@contextlib.contextmanager
def metrics_folder(data_folder: Path) -> Iterator[Path]:
    """Create the metrics folder, set it in the environment for child processes, and remove it on exit.

    It is in `data_folder`, because temporary files are removed while the service runs. If that is not writable, it is a
    temporary folder. If there is no space for either, the processes of this service create it later (`write_as`).
    """
    parents = (data_folder, Path(tempfile.gettempdir()))
    for parent in parents:
        _remove_stale_folders(parent)
    folder = next(filter(None, map(_create_folder, parents)), data_folder / f"{PREFIX}{os.getpid()}")
    os.environ[VARIABLE] = str(folder)
    try:
        with _locked(folder) if folder.exists() else contextlib.nullcontext():
            yield folder
    finally:
        os.environ.pop(VARIABLE, None)
        shutil.rmtree(folder, ignore_errors=True)


def _create_folder(parent: Path) -> Path | None:
    """Create a metrics folder, and `parent` if necessary. None if that is not possible."""
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    except OSError:
        return None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on the folder. Raises `BlockingIOError` if another process holds it."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)


def _remove_stale_folders(parent: Path) -> None:
    """Remove the folders of killed supervisors. A folder newer than `MIN_STALE_SECONDS` may not be locked yet."""
    for folder in parent.glob(f"{PREFIX}*"):
        # Another user may own the folder, or another supervisor may remove it at the same time.
        with contextlib.suppress(OSError), _locked(folder):
            if time.time() - folder.stat().st_mtime > MIN_STALE_SECONDS:
                shutil.rmtree(folder)


def metrics_folder_from_environment() -> Path:
    """The metrics folder set in the environment. Raises `KeyError` if none is set."""
    return Path(os.environ[VARIABLE])


def write_as(name: str) -> None:
    """Write the metrics that this process creates from now on to files in the current folder.

    `name` must be unique among living processes and must not contain an underscore. Without this call, metrics are
    kept in memory. So are those for which no file can be written, for example because the disk is full; the first one
    is logged. The folder is created if it was removed.
    """
    folder = metrics_folder_from_environment()
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    values.MmapedDict = _AllocatedFile  # type: ignore[assignment,attr-defined]  # the library's class looks it up here
    shared: Any = values.MultiProcessValue(process_identifier=lambda: name)  # type: ignore[no-untyped-call]  # untyped library
    values.ValueClass = _SharedIfPossible(shared)


class _SharedIfPossible:
    """Creates values in shared files, or in memory where that fails. Logs the first failure."""

    def __init__(self, shared: Any) -> None:
        self._shared = shared
        self._logged = False

    def __call__(self, *args: Any, **options: Any) -> Any:
        try:
            return self._shared(*args, **options)
        except OSError as error:
            if not self._logged:
                consequence = "some metrics of this process are not in /metrics until it is restarted"
                log.warning("metrics-not-shared", reason=str(error), consequence=consequence)
            self._logged = True
            return values.MutexValue(*args, **options)  # type: ignore[no-untyped-call]  # untyped library


class _AllocatedFile(MmapedDict):
    """A metrics file that has its disk space before it is mapped.

    The library maps files with holes. If the disk is full, a write to a hole ends the process with SIGBUS.
    """

    def __init__(self, filename: str) -> None:
        """Open the file, or create it. Raises `OSError`."""
        path = Path(filename)
        if not path.exists():
            # Under another name first: a reader that opens an empty file fails.
            draft = path.with_suffix(".new")
            with contextlib.ExitStack() as cleanup:
                cleanup.callback(draft.unlink, missing_ok=True)
                draft.write_bytes(bytes(FILE_BYTES))
                draft.rename(path)
        super().__init__(filename)  # type: ignore[no-untyped-call]  # untyped library

    def _init_value(self, key: str) -> None:
        """Add a value. Raises `OSError` if the file would have to grow and cannot; it is unchanged then."""
        # The key's length, the key, at most 8 bytes of padding, the value and a timestamp.
        if self._used + len(key.encode()) + 4 + 8 + 16 > self._capacity:
            self._f.truncate(self._capacity)
            _append_zeros(self._f.fileno(), self._capacity)
        super()._init_value(key)  # type: ignore[no-untyped-call]  # untyped library


def _append_zeros(fd: int, size: int) -> None:
    while size:
        size -= os.write(fd, bytes(size))


def forget(name: str) -> None:
    """Remove the gauges of the ended process `name`. Its counters and histograms are kept."""
    # The folder may be removed at the same time.
    with contextlib.suppress(OSError):
        mark_process_dead(name, str(metrics_folder_from_environment()))  # type: ignore[no-untyped-call]  # untyped library


def collect(folder: Path) -> list[Metric]:
    """Read the metrics of all processes, aggregated. Nothing if the folder or a file in it is just being removed."""
    try:
        return list(MultiProcessCollector.merge(map(str, folder.glob("*.db"))))  # type: ignore[no-untyped-call]  # untyped library
    except OSError:
        return []
