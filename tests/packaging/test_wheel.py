"""The wheel works without the checkout."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from service import __version__
from service.database.migrations import load_migrations

ROOT = Path(__file__).parents[2]
Run = Callable[..., str]


def pip(*arguments: object) -> None:
    """Run pip, which needs no network here."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    subprocess.run(command, check=True)  # noqa: S603 - a fixed command


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the wheel is installed."""
    folder = tmp_path_factory.mktemp("site")
    pip("install", "--no-deps", "--no-index", "--target", folder, wheel)
    return folder


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Run a command with the installed copy, outside the checkout; return its output."""

    def run(*command: str, **environment: str) -> str:
        places = {"PYTHONPATH": str(installed), "PATH": os.environ["PATH"], "PYTHONSAFEPATH": "1"}
        environ = {**places, **environment}
        done = subprocess.run(command, cwd=tmp_path, env=environ, check=True, capture_output=True)  # noqa: S603 - as above
        return done.stdout.decode()

    return run


def shipped(folder: Path, inside: str) -> set[str]:
    """The names in the wheel of all files of a folder in the checkout."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {f"{inside}/{path.relative_to(folder).as_posix()}" for path in files}


def test_everything_is_in_the_wheel(wheel: Path) -> None:
    """The wheel contains the package, the SQL files and the default settings, and nothing else."""
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == shipped(ROOT / "service", "service") | shipped(ROOT / "sql", "service/sql") | {
        "service/config.yaml"
    }


def test_the_installed_copy_is_the_one_that_runs(run: Run, installed: Path) -> None:
    """Commands in these tests import the installed copy, not the checkout."""
    where = run(sys.executable, "-c", "import service; print(service.__file__)")
    assert Path(where.strip()) == installed / "service" / "__init__.py"


def test_module_and_command_are_the_same(run: Run, installed: Path) -> None:
    """`python -m service` and `requirements-service` are the same program."""
    version = run(sys.executable, "-m", "service", "--version")
    assert version == run(str(installed / "bin" / "requirements-service"), "--version")
    assert version == f"requirements-service, version {__version__}\n"
    assert run(sys.executable, "-m", "service", "--help").startswith("Usage: requirements-service [OPTIONS] COMMAND")


def test_the_migrations_are_included(run: Run, database_url: str) -> None:
    """`migrate status` of the installed copy lists every migration as applied."""
    _, *rows = run(sys.executable, "-m", "service", "migrate", "status", DATABASE_URL=database_url).splitlines()
    known = load_migrations(ROOT / "sql" / "migrations")
    assert [row.split()[:2] for row in rows] == [[str(migration), "applied"] for migration in known]


def test_the_queries_and_settings_are_included(run: Run, database_url: str) -> None:
    """The installed copy has its settings and queries."""
    command = (sys.executable, "-m", "service", "routes")
    run(*command, "deploy", "requirements/v1/create", DATABASE_URL=database_url)
    assert "requirements" in run(*command, "list", DATABASE_URL=database_url)
