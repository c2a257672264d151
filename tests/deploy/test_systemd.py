"""The systemd units: valid, hardened, and consistent with the service."""

import configparser
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.config import load_config
from service.serving.worker_pool import exit_seconds
from tests.serving.process import REPOSITORY

UNITS = REPOSITORY / "deploy" / "systemd"
SERVICES = ["requirements.service", "requirements-purge.service"]
COMMAND = "/opt/requirements/bin/requirements-service"

# systemd's exposure level, from 0 (not exposed) to 100. The rest is due to network and file access.
MAX_EXPOSURE = 13

MAX_STOP_SECONDS = 12


def analyze(*arguments: str, folder: Path) -> str:
    """The output of systemd-analyze, which must succeed."""
    tool = shutil.which("systemd-analyze") or pytest.fail(
        "systemd-analyze is not installed: apt-get install systemd", pytrace=False
    )
    command = [tool, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def unit(name: str) -> configparser.RawConfigParser:
    """The settings of a unit; of a repeated setting, the last value."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNITS / name)
    return parser


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units with an existing command."""
    for path in UNITS.iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace(COMMAND, sys.executable))
    return tmp_path


@pytest.mark.parametrize("name", [*SERVICES, "requirements-purge.timer"])
def test_well_formed(installed: Path, name: str) -> None:
    """systemd-analyze verify accepts every unit without warnings."""
    analyze("verify", f"./{name}", folder=installed)


@pytest.mark.parametrize("name", SERVICES)
def test_hardened(installed: Path, name: str) -> None:
    """systemd-analyze rates each service at most MAX_EXPOSURE."""
    analyze("security", "--offline=true", f"--threshold={MAX_EXPOSURE}", f"./{name}", folder=installed)


def test_the_exposure_limit_can_fail(tmp_path: Path) -> None:
    """Without its hardening a unit exceeds the exposure limit."""
    bare = (UNITS / "requirements.service").read_text().partition("NoNewPrivileges=")[0]
    (tmp_path / "requirements.service").write_text(bare.replace("DynamicUser=yes\n", ""))
    with pytest.raises(AssertionError, match=r"UNSAFE|EXPOSED"):
        analyze("security", "--offline=true", f"--threshold={MAX_EXPOSURE}", "./requirements.service", folder=tmp_path)


def test_stop_timeout() -> None:
    """TimeoutStopSec exceeds the longest stop of the service."""
    seconds = float(unit("requirements.service")["Service"]["TimeoutStopSec"])
    assert seconds > MAX_STOP_SECONDS >= exit_seconds(load_config(None, {}))[signal.SIGTERM]


def test_signals() -> None:
    """A reload sends SIGHUP to the supervisor, a stop sends it SIGTERM, and exit code 78 prevents a restart."""
    service = unit("requirements.service")["Service"]
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert service["KillMode"] == "mixed"
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("on-failure", "78")


def test_commands() -> None:
    """The units run existing commands, and the timer starts the purge."""
    commands = [unit(name)["Service"]["ExecStart"] for name in SERVICES]
    assert commands == [f"{COMMAND} serve", f"{COMMAND} purge"]
    for command in commands:
        arguments = [sys.executable, "-m", "service", *command.split()[1:], "--help"]
        subprocess.run(arguments, check=True, capture_output=True, cwd=REPOSITORY)  # noqa: S603 - a fixed command
    assert "Unit" not in unit("requirements-purge.timer")["Timer"]
