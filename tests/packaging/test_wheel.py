"""The wheel: installed elsewhere, it works without the checkout."""

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
    """Run pip; it needs no network for what is asked of it here."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    subprocess.run(command, check=True)  # noqa: S603 - a command of our own


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel is installed in."""
    folder = tmp_path_factory.mktemp("site")
    pip("install", "--no-deps", "--no-index", "--target", folder, wheel)
    return folder


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Runs a command with the installed copy, outside the checkout; gives what it prints."""

    def run(*command: str, **environment: str) -> str:
        places = {"PYTHONPATH": str(installed), "PATH": os.environ["PATH"], "PYTHONSAFEPATH": "1"}
        environ = {**places, **environment}
        done = subprocess.run(command, cwd=tmp_path, env=environ, check=True, capture_output=True)  # noqa: S603 - as above
        return done.stdout.decode()

    return run


def shipped(folder: Path, inside: str) -> set[str]:
    """The names in the wheel of all that a folder of the checkout holds."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {f"{inside}/{path.relative_to(folder).as_posix()}" for path in files}


def test_everything_is_in_the_wheel(wheel: Path) -> None:
    """The wheel holds the code with what it shows, the SQL and the default settings, and nothing else."""
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == shipped(ROOT / "service", "service") | shipped(ROOT / "sql", "service/sql") | {
        "service/config.yaml"
    }


def test_the_installed_copy_is_the_one_that_runs(run: Run, installed: Path) -> None:
    """The tests below do not see the checkout."""
    where = run(sys.executable, "-c", "import service; print(service.__file__)")
    assert Path(where.strip()) == installed / "service" / "__init__.py"


def test_it_runs_as_a_module_and_as_a_command(run: Run, installed: Path) -> None:
    """`python -m service` and `requirements-service` are the same."""
    said = run(sys.executable, "-m", "service", "--version")
    assert said == run(str(installed / "bin" / "requirements-service"), "--version")
    assert said == f"requirements-service, version {__version__}\n"
    assert run(sys.executable, "-m", "service", "--help").startswith("Usage: requirements-service [OPTIONS] COMMAND")


def test_its_migrations_come_with_it(run: Run, database_url: str) -> None:
    """`migrate status` of the installed copy knows every migration, and finds them applied as they are."""
    _, *rows = run(sys.executable, "-m", "service", "migrate", "status", DATABASE_URL=database_url).splitlines()
    known = load_migrations(ROOT / "sql" / "migrations")
    assert [row.split()[:2] for row in rows] == [[str(migration), "applied"] for migration in known]


def test_its_queries_and_settings_come_with_it(run: Run, database_url: str) -> None:
    """A command that reads settings and runs queries works with what the wheel brought."""
    command = (sys.executable, "-m", "service", "routes")
    run(*command, "deploy", "requirements/v1/create", DATABASE_URL=database_url)
    assert "requirements" in run(*command, "list", DATABASE_URL=database_url)
