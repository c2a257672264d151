"""Paths of the files that ship with the code, such as the SQL and the default settings."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def resource(name: str) -> Path:
    """Return the path of a shipped file or folder, such as `sql` or `config.yaml`.

    It is inside the package when installed, and beside the package in a checkout.
    """
    packaged = _PACKAGE / name
    return packaged if packaged.exists() else _PACKAGE.parent / name
