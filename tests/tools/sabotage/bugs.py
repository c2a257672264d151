"""Definition of a planted bug: its title, the edits that plant it, and the tests that must catch it."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "bugs"


class EditMismatchError(Exception):
    """The text to replace is not in the tree exactly once: update the bug's edit."""


@dataclass(frozen=True)
class Edit:
    """Replace the only occurrence of `find` in `file` with `replace`."""

    file: str
    find: str
    replace: str

    def applied(self, tree: Path) -> str:
        """Return the edited text of the file. Raises `EditMismatchError`."""
        path = tree / self.file
        text = path.read_text("utf-8") if path.is_file() else ""
        if text.count(self.find) != 1:
            raise EditMismatchError(
                f"{self.file} contains this text {text.count(self.find)} times, not once: {self.find!r}"
            )
        return text.replace(self.find, self.replace)

    def make(self, tree: Path) -> None:
        """Edit the file in `tree`. Raises `EditMismatchError`."""
        (tree / self.file).write_text(self.applied(tree), "utf-8")


@dataclass(frozen=True)
class Bug:
    """A bug that breaks a guarantee. `tests` are pytest ids; each of them must fail."""

    name: str
    title: str
    tests: Sequence[str]
    edits: Sequence[Edit]


def load_bugs(folder: Path = FOLDER) -> list[Bug]:
    """Return the bugs in a folder, sorted by name."""
    return [_bug(path) for path in sorted(folder.glob("*.toml"))]


def _bug(path: Path) -> Bug:
    content = tomllib.loads(path.read_text("utf-8"))
    edits = tuple(Edit(**edit) for edit in content.pop("edit"))
    return Bug(name=path.stem, title=content.pop("bug"), tests=tuple(content.pop("tests")), edits=edits, **content)
