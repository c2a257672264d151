"""The systemd units: well-formed, hardened, and in step with what the service does."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service.config import load_config
from service.serving.worker_pool import stop_seconds
from tests.serving.process import REPOSITORY

UNITS = REPOSITORY / "deploy" / "systemd"
SERVICES = ["requirements.service", "requirements-purge.service"]
COMMAND = "/opt/requirements/bin/requirements-service"

# systemd's own measure, from 0 (nothing is exposed) to 100; what is left is that it has the network and the files.
MOST_EXPOSED = 13

ENDS_WITHIN_SECONDS = 12


def analyze(*arguments: str, folder: Path) -> str:
    """What systemd-analyze says, which has to agree."""
    tool = shutil.which("systemd-analyze") or pytest.fail(
        "systemd-analyze is not installed: apt-get install systemd", pytrace=False
    )
    command = [tool, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def unit(name: str) -> configparser.RawConfigParser:
    """A unit's settings; of one that is given twice, the last."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNITS / name)
    return parser


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units with a command that is there."""
    for path in UNITS.iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace(COMMAND, sys.executable))
    return tmp_path


@pytest.mark.parametrize("name", [*SERVICES, "requirements-purge.timer"])
def test_well_formed(installed: Path, name: str) -> None:
    """Systemd understands every line."""
    analyze("verify", f"./{name}", folder=installed)


@pytest.mark.parametrize("name", SERVICES)
def test_hardened(installed: Path, name: str) -> None:
    """By systemd's own measure, next to nothing is exposed."""
    analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", f"./{name}", folder=installed)


def test_the_measure_can_fail(tmp_path: Path) -> None:
    """Without its hardening the same unit would not pass."""
    bare = (UNITS / "requirements.service").read_text().partition("# It reads its own files")[0]
    (tmp_path / "requirements.service").write_text(bare.replace("DynamicUser=yes\n", ""))
    with pytest.raises(AssertionError, match=r"UNSAFE|EXPOSED"):
        analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", "./requirements.service", folder=tmp_path)


def test_it_has_time_to_stop() -> None:
    """What systemd waits for a stop is longer than any stop of the service takes."""
    seconds = float(unit("requirements.service")["Service"]["TimeoutStopSec"])
    assert seconds > ENDS_WITHIN_SECONDS >= stop_seconds(load_config(None, {}))


def test_signals() -> None:
    """A reload is SIGHUP to the supervisor, a stop is SIGTERM to it alone, and a bad configuration is not retried."""
    service = unit("requirements.service")["Service"]
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert service["KillMode"] == "mixed"
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("on-failure", "78")


def test_commands() -> None:
    """The units run commands that there are, and the timer starts the purge."""
    commands = [unit(name)["Service"]["ExecStart"] for name in SERVICES]
    assert commands == [f"{COMMAND} serve", f"{COMMAND} purge"]
    for command in commands:
        arguments = [sys.executable, "-m", "service", *command.split()[1:], "--help"]
        subprocess.run(arguments, check=True, capture_output=True, cwd=REPOSITORY)  # noqa: S603 - our own
    assert "Unit" not in unit("requirements-purge.timer")["Timer"]
