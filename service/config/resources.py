"""Where the files that ship with the code are: SQL and the default settings."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def resource(name: str) -> Path:
    """The path of a shipped file or folder, such as `sql` or `config.yaml`.

    An installed package carries them inside itself; in a checkout they stand beside it.
    """
    packaged = _PACKAGE / name
    return packaged if packaged.exists() else _PACKAGE.parent / name
