"""What a planted bug is: a sentence, the edits that make it, and the tests that have to catch it."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "bugs"


class DriftError(Exception):
    """The text that an edit is for is not in the tree exactly once: the bug has to be written anew."""


@dataclass(frozen=True)
class Edit:
    """`find` stands once in `file`, and becomes `replace`."""

    file: str
    find: str
    replace: str

    def applied(self, tree: Path) -> str:
        """The text of the file with the edit made. Raises `DriftError`."""
        path = tree / self.file
        text = path.read_text("utf-8") if path.is_file() else ""
        if text.count(self.find) != 1:
            raise DriftError(f"{self.file} holds this {text.count(self.find)} times, not once: {self.find!r}")
        return text.replace(self.find, self.replace)

    def make(self, tree: Path) -> None:
        """Make it in `tree`. Raises `DriftError`."""
        (tree / self.file).write_text(self.applied(tree), "utf-8")


@dataclass(frozen=True)
class Bug:
    """One way to break a promise. `tests` are pytest's ids; each of them has to fail."""

    name: str
    told: str
    tests: Sequence[str]
    edits: Sequence[Edit]


def load_bugs(folder: Path = FOLDER) -> list[Bug]:
    """The bugs of a folder, by name."""
    return [_bug(path) for path in sorted(folder.glob("*.toml"))]


def _bug(path: Path) -> Bug:
    content = tomllib.loads(path.read_text("utf-8"))
    edits = tuple(Edit(**edit) for edit in content.pop("edit"))
    return Bug(name=path.stem, told=content.pop("bug"), tests=tuple(content.pop("tests")), edits=edits, **content)
