"""Metrics files: each process writes its metrics to files in a shared folder, and one process reads them all.

Files are named after the worker's place (`0`, `1`), not after its process id. A replacement worker opens the files
of its predecessor, so counters continue and the folder does not grow with every restart.
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

from prometheus_client import values
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

PREFIX = "requirements-metrics-"
MIN_STALE_SECONDS = 60.0

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextlib.contextmanager
def metrics_folder() -> Iterator[Path]:
    """Create the metrics folder, set it in the environment for child processes, and remove it on exit."""
    _remove_stale_folders()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder, _locked(Path(folder)):
        os.environ[VARIABLE] = folder
        try:
            yield Path(folder)
        finally:
            os.environ.pop(VARIABLE, None)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on the folder. Raises `BlockingIOError` if another process holds it."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)


def _remove_stale_folders() -> None:
    """Remove the folders of killed supervisors. A folder newer than `MIN_STALE_SECONDS` may not be locked yet."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
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
    kept in memory.
    """
    values.ValueClass = _value_class(metrics_folder_from_environment(), name)


def forget(name: str) -> None:
    """Remove the gauges of the ended process `name`. Its counters and histograms are kept."""
    mark_process_dead(name, str(metrics_folder_from_environment()))  # type: ignore[no-untyped-call]


def collect(folder: Path) -> list[Metric]:
    """Read the metrics of all processes, aggregated."""
    collector = MultiProcessCollector(None, str(folder))  # type: ignore[no-untyped-call]
    return list(collector.collect())  # type: ignore[no-untyped-call]


def _value_class(folder: Path, name: str) -> Any:
    """The library's value class, with file names that end in `name` instead of the process id."""
    library_class: Any = values.MultiProcessValue(process_identifier=lambda: name)  # type: ignore[no-untyped-call]

    class Value(library_class):  # type: ignore[misc]
        def __init__(self, kind: str, *args: Any, multiprocess_mode: str = "", **options: Any) -> None:
            prefix = f"{kind}_{multiprocess_mode}" if kind == "gauge" else kind
            _create_file(folder / f"{prefix}_{name}.db")
            super().__init__(kind, *args, multiprocess_mode=multiprocess_mode, **options)

    return Value


def _create_file(path: Path) -> None:
    """Create an initialised metrics file under a temporary name, then rename it.

    The library creates the file empty and initialises it afterwards. A reader that opens the empty file fails.
    """
    if not path.exists():
        draft = path.with_suffix(".new")
        MmapedDict(str(draft)).close()  # type: ignore[no-untyped-call]
        draft.rename(path)
