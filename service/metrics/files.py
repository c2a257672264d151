"""Where processes leave what they measure for another one to read: a folder with a few files for each of them.

A process writes under a name that its successor takes over, so that counters go on where they were and the folder
stays small however often processes end.
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
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

PREFIX = "requirements-metrics-"
SWEPT_AFTER_SECONDS = 60.0

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextlib.contextmanager
def metrics_folder() -> Iterator[Path]:
    """A new folder for this process and those that it starts, named in the environment; removed at the end."""
    _sweep()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder, _held(Path(folder)):
        os.environ[VARIABLE] = folder
        try:
            yield Path(folder)
        finally:
            os.environ.pop(VARIABLE, None)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Mark the folder as in use, as long as this process lives. Raises `BlockingIOError` where another has."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)


def _sweep() -> None:
    """Remove the folders that killed processes left behind; the newest may be about to be marked."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # Other users' are theirs, and another one that starts may sweep as well.
        with contextlib.suppress(OSError), _held(folder):
            if time.time() - folder.stat().st_mtime > SWEPT_AFTER_SECONDS:
                shutil.rmtree(folder)


def announced_folder() -> Path:
    """The folder that the environment names. Raises `KeyError` where none is."""
    return Path(os.environ[VARIABLE])


def write_as(name: str) -> None:
    """Have the metrics that this process makes from now on written to the announced folder.

    No other living process may have that `name`, which holds no underscore. Without a call of this, metrics stay in
    memory.
    """
    values.ValueClass = _value_class(announced_folder(), name)


def forget(name: str) -> None:
    """Drop what the ended process of that name said of itself: gauges. What it counted stays."""
    mark_process_dead(name, str(announced_folder()))  # type: ignore[no-untyped-call]


def read(folder: Path) -> list[Metric]:
    """What all processes together have measured."""
    collector = MultiProcessCollector(None, str(folder))  # type: ignore[no-untyped-call]
    return list(collector.collect())  # type: ignore[no-untyped-call]


def _open(path: Path) -> MmapedDict:
    """The numbers kept at `path`, which is there from the first moment as a whole: the library reads no empty file."""
    if not path.exists():
        begun = path.with_suffix(".begun")
        MmapedDict(str(begun)).close()  # type: ignore[no-untyped-call]
        begun.rename(path)
    return MmapedDict(str(path))  # type: ignore[no-untyped-call]


def _value_class(folder: Path, process: str) -> Any:
    """What the library is to keep each number in.

    Its own class guards every write by a lock and asks for the process's id: three times the cost for processes that
    measure in one thread only and never fork.
    """
    files: dict[str, MmapedDict] = {}

    class Value:
        _multiprocess = True  # the library asks for it

        def __init__(self, kind: str, metric: str, *key: Any, multiprocess_mode: str = "", **_: object) -> None:
            part = f"{kind}_{multiprocess_mode}" if kind == "gauge" else kind
            if part not in files:
                files[part] = _open(folder / f"{part}_{process}.db")
            self._file = files[part]
            self._key = mmap_key(metric, *key)
            self._value: float = self._file.read_value(self._key)[0]  # type: ignore[no-untyped-call]

        def inc(self, amount: float) -> None:
            self.set(self._value + amount)

        def set(self, value: float, timestamp: float | None = None) -> None:
            self._value = value
            self._file.write_value(self._key, value, timestamp or 0.0)  # type: ignore[no-untyped-call]

        def get(self) -> float:
            return self._value

        def set_exemplar(self, exemplar: object) -> None:
            """Files hold none."""

        def get_exemplar(self) -> None:
            """Files hold none."""

    return Value
