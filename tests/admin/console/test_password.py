"""The console's password: of the settings, or made and kept."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from service.admin.password import FILE_NAME, console_password
from service.config import Config, ConfigError, load_config


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    """Settings without a password, and a data folder that is not there yet."""
    return replace(load_config(None, {}), data_folder=tmp_path / "new" / ".data")


def test_a_password_is_made_once(settings: Config) -> None:
    """The first start makes a long password that only the owner can read; later ones find it."""
    password = console_password(settings)
    path = settings.data_folder / FILE_NAME
    assert len(password) >= 24
    assert path.read_text() == f"{password}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert console_password(settings) == password
    assert [found.name for found in settings.data_folder.iterdir()] == [FILE_NAME]


def test_processes_that_start_at_once_agree(settings: Config) -> None:
    """Whoever makes it first, all get the same password."""
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: console_password(settings), range(40)))) == 1


def test_the_settings_win(settings: Config) -> None:
    """A password that is set is the one, and no file is made."""
    chosen = replace(settings, console=replace(settings.console, password="of the settings"))
    assert console_password(chosen) == "of the settings"
    assert not settings.data_folder.exists()


def test_a_password_may_come_from_a_file(tmp_path: Path) -> None:
    """`_FILE` names a file that holds the secret; it is seen in no text of the settings."""
    (tmp_path / "secret").write_text("from the file\n")
    config = load_config(None, {"REQUIREMENTS__CONSOLE__PASSWORD_FILE": str(tmp_path / "secret")})
    assert config.console.password == "from the file"
    assert "from the file" in config.secrets
    assert "from the file" not in repr(config)


def test_a_short_password_is_refused() -> None:
    """A password that could be guessed is bad configuration, and is not repeated."""
    with pytest.raises(ConfigError, match=r"console\.password") as error:
        load_config(None, {"REQUIREMENTS__CONSOLE__PASSWORD": "elevenchars"})
    assert "elevenchars" not in str(error.value)


def test_an_empty_file_is_told(settings: Config) -> None:
    """A file that was emptied opens nothing: the message says what to do."""
    settings.data_folder.mkdir(parents=True)
    (settings.data_folder / FILE_NAME).write_text("\n")
    with pytest.raises(ConfigError, match="is empty: delete it"):
        console_password(settings)


def test_a_place_that_cannot_be_written_is_told(settings: Config, tmp_path: Path) -> None:
    """Where no password can be kept, the message names the setting that does without."""
    (tmp_path / "new").write_text("no folder")
    with pytest.raises(ConfigError, match=r"set console\.password"):
        console_password(settings)
