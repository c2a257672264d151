"""Metrics files of concurrent and successive processes."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from service.metrics.files import FILE_BYTES, VARIABLE, collect, forget, metrics_folder

WRITER = """
import sys
from service.metrics.files import forget, write_as
from service.metrics.definitions import Metrics
name, answers, ended = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
for other in ended:
    forget(other)
write_as(name)
metrics = Metrics(name)
for _ in range(answers):
    metrics.answered("/ping", None, 200, None, 0.003)
metrics.requests_in_flight.set(answers)
"""


# A process that may write so many bytes to each file, and then counts requests of many statuses.
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
"""

FILLER = """
import sys
from service.metrics.files import collect, metrics_folder_from_environment, write_as
from service.metrics.definitions import Metrics
write_as(sys.argv[1])
metrics = Metrics(sys.argv[1])
for number in range(1000):
    metrics.answered("/ping", f"status-{number}", 200, None, 0.003)
    metrics.answered("/ping", f"status-{number}", 200, None, 0.003)
"""

CLEANER = """
import os, sys
from pathlib import Path
from service.metrics.files import metrics_folder
data = Path(sys.argv[1])
with metrics_folder(data) as first:
    os.utime(first, (0, 0))
    for name, modified in (("old", 0), ("new", None)):
        (first.parent / f"requirements-metrics-{name}").mkdir()
        os.utime(first.parent / f"requirements-metrics-{name}", modified if modified is None else (modified, modified))
    with metrics_folder(data) as second:
        left = {path.name for path in first.parent.iterdir()} - {first.name, second.name}
        print(first.exists(), second.exists(), left)
"""


def write(name: str, answers: int, *ended: str) -> None:
    """Run a process `name` that calls `forget` for `ended` and then counts `answers` responses."""
    subprocess.run([sys.executable, "-c", WRITER, name, str(answers), *ended], check=True)  # noqa: S603 - our own command


def value(folder: Path, name: str) -> float:
    """The sum over all processes of the samples with that name."""
    return sum(sample.value for family in collect(folder) for sample in family.samples if sample.name == name)


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("requirements_requests_total", 10),
        ("requirements_request_duration_seconds_count", 10),
        ("requirements_requests_in_flight", 7),
    ],
)
def test_a_replacement_continues_the_counters(tmp_path: Path, sample: str, expected: float) -> None:
    """A replacement process continues the counters of its name but not the gauges. Other processes are added."""
    with metrics_folder(tmp_path) as folder:
        write("0", 3)
        write("1", 5)
        write("0", 2, "0")
        assert value(folder, sample) == expected
        assert len({path.name.rpartition("_")[2] for path in folder.iterdir()}) == 2


def test_gauges_of_ended_processes_are_removed(tmp_path: Path) -> None:
    """`forget` removes the gauges of an ended process and keeps its counters."""
    with metrics_folder(tmp_path) as folder:
        write("0", 3)
        write("1", 5, "0")
        assert value(folder, "requirements_requests_in_flight") == 5
        assert value(folder, "requirements_requests_total") == 8


def fill(name: str, limit_bytes: int, *prefix: str) -> list[str]:
    """Run a process `name` with more metrics than it has space for, and return its log lines."""
    command = [*prefix, sys.executable, "-c", LIMITED + FILLER, name, str(limit_bytes)]
    filled = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own command
    return filled.stdout.splitlines()


@pytest.mark.parametrize(("limit_bytes", "shared"), [(0, 0), (FILE_BYTES, 100)])
def test_a_process_that_cannot_write_keeps_its_metrics_in_memory(tmp_path: Path, limit_bytes: int, shared: int) -> None:
    """It logs one line, does not break the reader, and shares the metrics that fit."""
    with metrics_folder(tmp_path) as folder:
        write("0", 3)
        (line,) = fill("1", limit_bytes)
        assert "metrics-not-shared" in line
        assert "File too large" in line
        assert value(folder, "requirements_requests_total") >= 3 + 2 * shared
        assert {path.suffix for path in folder.iterdir()} == {".db"}
        write("1", 5)
        assert value(folder, "requirements_requests_in_flight") == 8


def test_a_full_disk_does_not_end_a_process(tmp_path: Path) -> None:
    """On a full disk, a process with new metrics is not ended by SIGBUS: it logs one line, and keeps them in memory."""
    with metrics_folder(tmp_path) as folder:
        mount = f'mount -t tmpfs -o size={4 * FILE_BYTES} full {folder} && exec "$@"'
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        (line,) = fill("1", 2**40, "unshare", "--mount", *user, "sh", "-c", mount, "sh")
    assert "No space left on device" in line


def test_a_removed_folder_is_created_again(tmp_path: Path) -> None:
    """Without its folder, a running process continues, the reader finds nothing, and a new process makes it again."""
    with metrics_folder(tmp_path) as folder:
        shutil.rmtree(folder)
        assert collect(folder) == []
        forget("0")
        write("0", 3)
        assert value(folder, "requirements_requests_total") == 3
    assert not folder.exists()


def test_a_folder_is_in_the_data_folder_or_else_temporary(tmp_path: Path) -> None:
    """The folder is in the data folder, where nobody cleans up. If that cannot be written, it is temporary."""
    with metrics_folder(tmp_path / "data") as folder:
        assert folder.parent == tmp_path / "data"
        assert folder.stat().st_mode & 0o777 == 0o700
    file = tmp_path / "file"
    file.touch()
    with metrics_folder(file) as folder:
        assert folder.parent == Path(tempfile.gettempdir())


def test_without_any_folder_metrics_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no folder can be created, a process runs with its metrics in memory and logs one line."""
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setattr(tempfile, "tempdir", str(file))
    with metrics_folder(file) as folder:
        (line,) = fill("1", 2**40)
        assert "metrics-not-shared" in line
        assert collect(folder) == []


def test_the_folder_is_in_the_environment_while_it_exists(tmp_path: Path) -> None:
    """The folder is in the environment while it exists."""
    with metrics_folder(tmp_path) as folder:
        assert os.environ[VARIABLE] == str(folder)
        assert list(collect(folder)) == []
    assert VARIABLE not in os.environ
    assert not folder.exists()


def test_folders_of_killed_services_are_removed(tmp_path: Path) -> None:
    """A new service removes old unlocked folders. It keeps folders of running services and new ones."""
    command = [sys.executable, "-c", CLEANER, str(tmp_path)]
    cleaned = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - as above
    assert cleaned.stdout == "True True {'requirements-metrics-new'}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["requirements-metrics-new"]
