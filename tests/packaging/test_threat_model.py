"""The threat model: each row names existing tests."""

import ast
import re

from tests.packaging.test_locks import ROOT

ROW = re.compile(r"^\|(?! *(?:threat|---))(?P<threat>[^|]+)\|(?P<measure>[^|]+)\|(?P<tests>[^|]+)\|$", re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")

ROWS = [match.groupdict() for match in ROW.finditer((ROOT / "docs/security.md").read_text("utf-8"))]


def test_every_row_names_its_tests() -> None:
    """Every threat names at least one test."""
    assert len(ROWS) >= 30
    assert [row["threat"] for row in ROWS if not NAMED.search(row["tests"])] == []


def test_every_test_that_is_named_exists() -> None:
    """Every test that the threat model names exists."""
    named = {name for row in ROWS for name in NAMED.findall(row["tests"])}
    files = {path for path, _ in named}
    missing = sorted(path for path in files if not (ROOT / path).is_file())
    assert missing == []
    existing = {
        (path, node.name)
        for path in files
        for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert sorted(named - existing) == []
