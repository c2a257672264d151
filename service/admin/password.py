"""The password of the console: from the configuration, or generated on the first start and stored in a file."""

import contextlib
import os
import secrets
from pathlib import Path

from service.config import Config, ConfigError

FILE_NAME = "console-password"


def console_password(config: Config) -> str:
    """The password of the console. Raises `ConfigError` if none is configured and none can be stored or read."""
    if config.console.password is not None:
        return config.console.password
    path = config.data_folder / FILE_NAME
    try:
        _create(path)
        password = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot store the console's password: set console.password ({error})") from None
    if not password:
        raise ConfigError(f"{path}: is empty: delete it to generate a new password, or set console.password")
    return password


def _create(path: Path) -> None:
    """Create the file with a new password if it does not exist. It appears complete, with mode 0600."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{FILE_NAME}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(18) + "\n")
        # A hard link, unlike a rename, does not replace a file that another process has created meanwhile.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
