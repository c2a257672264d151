"""What was not written here: unchanged, and named with its origin."""

import hashlib
import re
from pathlib import Path

STATIC = Path(__file__).parents[3] / "service" / "admin" / "console" / "static"
NOTE = (STATIC / "VENDORED.md").read_text("utf-8")
OURS = {"VENDORED.md", "console.css", "console.js", "icon.svg"}


def test_vendored_files_are_unchanged() -> None:
    """Each file that is not ours is the one that VENDORED.md names, and none is there unnamed."""
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in STATIC.iterdir()}
    named = {name: digest for digest, name in re.findall(r"\| `([0-9a-f]{64})` \| `([^`]+)` \|", NOTE)}
    assert {name: digest for name, digest in files.items() if name not in OURS} == named
    assert named.keys() == {"htmx.LICENSE", "htmx.min.js"}


def test_the_version_named_is_the_one_vendored() -> None:
    """The version in VENDORED.md is the one that the file itself tells."""
    (version,) = re.findall(r"`htmx\.org` \| ([\d.]+) \|", NOTE)
    assert f'version:"{version}"' in (STATIC / "htmx.min.js").read_text("utf-8")


def test_our_files_name_no_other_place() -> None:
    """Neither the stylesheet nor the script asks anything of anybody else."""
    for name in OURS - {"VENDORED.md"}:
        text = (STATIC / name).read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|@import|url\(|//\w", text), name
