"""Metrics files of concurrent and successive processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.metrics.files import VARIABLE, collect, metrics_folder

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


LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"

CLEANER = """
import os
from pathlib import Path
from service.metrics.files import metrics_folder
with metrics_folder() as first:
    os.utime(first, (0, 0))
    for name, modified in (("old", 0), ("new", None)):
        (first.parent / f"requirements-metrics-{name}").mkdir()
        os.utime(first.parent / f"requirements-metrics-{name}", modified if modified is None else (modified, modified))
    with metrics_folder() as second:
        left = {path.name for path in first.parent.iterdir()} - {first.name, second.name}
        print(first.exists(), second.exists(), left)
"""


def write(name: str, answers: int, *ended: str) -> None:
    """Run a process `name` that calls `forget` for `ended` and then counts `answers` responses."""
    subprocess.run([sys.executable, "-c", WRITER, name, str(answers), *ended], check=True)  # noqa: S603 - our own command


def fail_to_create_file(name: str) -> str:
    """Run a process `name` that fails to write its first file, and return its stderr."""
    command = [sys.executable, "-c", LIMITED + WRITER, name, "1"]
    failed = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own command
    assert failed.returncode == 1
    return failed.stderr


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
def test_a_replacement_continues_the_counters(sample: str, expected: float) -> None:
    """A replacement process continues the counters of its name but not the gauges. Other processes are added."""
    with metrics_folder() as folder:
        write("0", 3)
        write("1", 5)
        write("0", 2, "0")
        assert value(folder, sample) == expected
        assert len({path.name.rpartition("_")[2] for path in folder.iterdir()}) == 2


def test_gauges_of_ended_processes_are_removed() -> None:
    """`forget` removes the gauges of an ended process and keeps its counters."""
    with metrics_folder() as folder:
        write("0", 3)
        write("1", 5, "0")
        assert value(folder, "requirements_requests_in_flight") == 5
        assert value(folder, "requirements_requests_total") == 8


def test_a_file_appears_complete_or_not_at_all() -> None:
    """A process that dies while it creates a file (here: it may write none) does not break the reader."""
    with metrics_folder() as folder:
        write("0", 3)
        assert "File too large" in fail_to_create_file("1")
        assert value(folder, "requirements_requests_total") == 3
        write("1", 5)
        assert value(folder, "requirements_requests_total") == 8


def test_the_folder_is_in_the_environment_while_it_exists() -> None:
    """The folder is in the environment while it exists."""
    with metrics_folder() as folder:
        assert os.environ[VARIABLE] == str(folder)
        assert list(collect(folder)) == []
    assert VARIABLE not in os.environ
    assert not folder.exists()


def test_folders_of_killed_services_are_removed(tmp_path: Path) -> None:
    """A new service removes old unlocked folders. It keeps folders of running services and new ones."""
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", CLEANER]
    cleaned = subprocess.run(command, check=True, env=environ, capture_output=True, text=True)  # noqa: S603 - as above
    assert cleaned.stdout == "True True {'requirements-metrics-new'}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["requirements-metrics-new"]
