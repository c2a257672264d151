"""Vendored files are unchanged copies, listed in VENDORED.md."""

import hashlib
import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[3] / "service" / "admin" / "console" / "static"
NOTE = (STATIC / "VENDORED.md").read_text("utf-8")
OURS = {"VENDORED.md", "charts.js", "console.css", "console.js", "icon.svg"}


def test_vendored_files_are_unchanged() -> None:
    """Every file that is not ours has the checksum in VENDORED.md, and every file listed exists."""
    files = {
        path.relative_to(STATIC).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in STATIC.rglob("*")
        if path.is_file()
    }
    named = {name: digest for digest, name in re.findall(r"\| `([0-9a-f]{64})` \| `([^`]+)` \|", NOTE)}
    assert {name: digest for name, digest in files.items() if name not in OURS} == named
    assert named.keys() == {
        "htmx.LICENSE",
        "htmx.min.js",
        "uplot/LICENSE",
        "uplot/uPlot.iife.min.js",
        "uplot/uPlot.min.css",
    }


@pytest.mark.parametrize(
    ("package", "file", "mark"),
    [("htmx.org", "htmx.min.js", 'version:"{}"'), ("uplot", "uplot/uPlot.iife.min.js", "uPlot (v{})")],
)
def test_the_version_listed_is_the_one_vendored(package: str, file: str, mark: str) -> None:
    """The version in VENDORED.md is the version in the file."""
    (version,) = re.findall(rf"`{re.escape(package)}` \| ([\d.]+) \|", NOTE)
    assert mark.format(version) in (STATIC / file).read_text("utf-8")


def test_our_files_name_no_other_place() -> None:
    """Our stylesheet and scripts load nothing from another host."""
    for name in OURS - {"VENDORED.md"}:
        text = (STATIC / name).read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|@import|url\(|//\w", text), name
