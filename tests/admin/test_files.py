"""The files of metrics, written by processes that come after each other and beside each other."""

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

SWEEPER = """
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
    """Have a process of that name count `answers`, after it has noted that others `ended`."""
    subprocess.run([sys.executable, "-c", WRITER, name, str(answers), *ended], check=True)  # noqa: S603 - our own words


def begin_in_vain(name: str) -> str:
    """Have a process of that name fail at its first file; what it complains of."""
    command = [sys.executable, "-c", LIMITED + WRITER, name, "1"]
    failed = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own words
    assert failed.returncode == 1
    return failed.stderr


def value(folder: Path, name: str) -> float:
    """The sum of what the processes left under that name."""
    return sum(sample.value for family in collect(folder) for sample in family.samples if sample.name == name)


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("requirements_requests_total", 10),
        ("requirements_request_duration_seconds_count", 10),
        ("requirements_requests_in_flight", 7),
    ],
)
def test_a_successor_goes_on_where_the_last_one_was(sample: str, expected: float) -> None:
    """Counters of the next process of a name go on, its gauges are its own; those of others are added."""
    with metrics_folder() as folder:
        write("0", 3)
        write("1", 5)
        write("0", 2, "0")
        assert value(folder, sample) == expected
        assert len({path.name.rpartition("_")[2] for path in folder.iterdir()}) == 2


def test_the_gauges_of_the_ended_are_forgotten() -> None:
    """What an ended process said of itself is gone once that is noted, what it counted stays."""
    with metrics_folder() as folder:
        write("0", 3)
        write("1", 5, "0")
        assert value(folder, "requirements_requests_in_flight") == 5
        assert value(folder, "requirements_requests_total") == 8


def test_a_file_is_there_as_a_whole_or_not_at_all() -> None:
    """A process that ends as it begins a file, here since it may write none, hides nothing that others measured."""
    with metrics_folder() as folder:
        write("0", 3)
        assert "File too large" in begin_in_vain("1")
        assert value(folder, "requirements_requests_total") == 3
        write("1", 5)
        assert value(folder, "requirements_requests_total") == 8


def test_the_folder_is_announced_while_it_is_there() -> None:
    """Processes started meanwhile find it in their environment; afterwards there is nothing to find."""
    with metrics_folder() as folder:
        assert os.environ[VARIABLE] == str(folder)
        assert list(collect(folder)) == []
    assert VARIABLE not in os.environ
    assert not folder.exists()


def test_what_killed_services_left_is_swept(tmp_path: Path) -> None:
    """A new service removes old folders that nobody holds, neither those of others that run nor the newest."""
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", SWEEPER]
    swept = subprocess.run(command, check=True, env=environ, capture_output=True, text=True)  # noqa: S603 - as above
    assert swept.stdout == "True True {'requirements-metrics-new'}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["requirements-metrics-new"]
