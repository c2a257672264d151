"""The console's password: what the settings say, else one that is made on the first start and kept."""

import contextlib
import os
import secrets
from pathlib import Path

from service.config import Config, ConfigError

FILE_NAME = "console-password"


def console_password(config: Config) -> str:
    """The password with which people log in. Raises `ConfigError` when none is set and none can be kept."""
    if config.console.password is not None:
        return config.console.password
    path = config.data_folder / FILE_NAME
    try:
        _make(path)
        password = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot keep the console's password: set console.password ({error})") from None
    if not password:
        raise ConfigError(f"{path}: is empty: delete it to have a password made, or set console.password")
    return password


def _make(path: Path) -> None:
    """Make the file where there is none, readable by its owner alone, whole from the first moment on."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{FILE_NAME}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(18) + "\n")
        # Unlike a rename, a link does not take the place of what another process made meanwhile.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
