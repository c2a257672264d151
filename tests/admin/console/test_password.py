"""The console's password: configured, or generated and stored."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from service.admin.password import FILE_NAME, console_password
from service.config import Config, ConfigError, load_config


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    """A configuration without a password, and with a data folder that does not exist."""
    return replace(load_config(None, {}), data_folder=tmp_path / "new" / ".data")


def test_a_password_is_generated_once(settings: Config) -> None:
    """The first call generates a long password that only the owner can read; later calls return it."""
    password = console_password(settings)
    path = settings.data_folder / FILE_NAME
    assert len(password) >= 24
    assert path.read_text() == f"{password}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert console_password(settings) == password
    assert [found.name for found in settings.data_folder.iterdir()] == [FILE_NAME]


def test_concurrent_processes_agree(settings: Config) -> None:
    """Concurrent processes get the same password."""
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: console_password(settings), range(40)))) == 1


def test_a_configured_password_is_used(settings: Config) -> None:
    """A configured password is used, and no file is created."""
    chosen = replace(settings, console=replace(settings.console, password="of the settings"))
    assert console_password(chosen) == "of the settings"
    assert not settings.data_folder.exists()


def test_a_password_may_come_from_a_file(tmp_path: Path) -> None:
    """A password can come from a file; the repr of the configuration hides it."""
    (tmp_path / "secret").write_text("from the file\n")
    config = load_config(None, {"REQUIREMENTS__CONSOLE__PASSWORD_FILE": str(tmp_path / "secret")})
    assert config.console.password == "from the file"
    assert "from the file" in config.secrets
    assert "from the file" not in repr(config)


def test_a_short_password_is_refused() -> None:
    """A short password is refused, and the error does not show it."""
    with pytest.raises(ConfigError, match=r"console\.password") as error:
        load_config(None, {"REQUIREMENTS__CONSOLE__PASSWORD": "elevenchars"})
    assert "elevenchars" not in str(error.value)


def test_an_empty_file_is_an_error(settings: Config) -> None:
    """An empty file is an error that says what to do."""
    settings.data_folder.mkdir(parents=True)
    (settings.data_folder / FILE_NAME).write_text("\n")
    with pytest.raises(ConfigError, match="is empty: delete it"):
        console_password(settings)


def test_an_unwritable_folder_is_an_error(settings: Config, tmp_path: Path) -> None:
    """If no password can be stored, the error names the setting to use."""
    (tmp_path / "new").write_text("no folder")
    with pytest.raises(ConfigError, match=r"set console\.password"):
        console_password(settings)
