"""The named statements of sql/queries: all the SQL there is, prepared as it stands."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from service.config.resources import resource

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def load_queries(folder: Path) -> Mapping[str, str]:
    """The statements in the folder's files by name.

    A block is a line `-- name: words`, a comment that describes it, and the statement. Raises `ValueError` when two
    blocks have one name.
    """
    queries: dict[str, str] = {}
    for path in sorted(folder.glob("*.sql")):
        _, *blocks = _NAME.split(path.read_text("utf-8"))
        for name, body in zip(blocks[::2], blocks[1::2], strict=True):
            if name in queries:
                raise ValueError(f"{path}: there is another block named {name}")
            queries[name] = _statement(body)
    return MappingProxyType(queries)


def _statement(body: str) -> str:
    lines = [line for line in body.splitlines() if not line.startswith("--")]
    return "\n".join(lines).strip().removesuffix(";")


def quote_identifier(name: str) -> str:
    """A table's name, or schema.table, quoted for SQL."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def quote_literal(text: str) -> str:
    """Text as an SQL literal. Only for what the settings say: what a caller sends is always a parameter."""
    return "'" + text.replace("'", "''") + "'"


QUERIES = load_queries(resource("sql") / "queries")
