"""The named queries in sql/queries. Apart from the migrations, they are all the SQL of the service."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from service.config.resources import resource

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def load_queries(folder: Path) -> Mapping[str, str]:
    """Return the statements in the folder's `*.sql` files by name.

    A block is a line `-- name: <name>`, comment lines that describe it, and one statement. Raises `ValueError` if two
    blocks have the same name.
    """
    queries: dict[str, str] = {}
    for path in sorted(folder.glob("*.sql")):
        _, *blocks = _NAME.split(path.read_text("utf-8"))
        for name, body in zip(blocks[::2], blocks[1::2], strict=True):
            if name in queries:
                raise ValueError(f"{path}: another block is named {name}")
            queries[name] = _statement(body)
    return MappingProxyType(queries)


def _statement(body: str) -> str:
    lines = [line for line in body.splitlines() if not line.startswith("--")]
    return "\n".join(lines).strip().removesuffix(";")


def quote_identifier(name: str) -> str:
    """Quote a table name, or `schema.table`, as an SQL identifier."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def quote_literal(text: str) -> str:
    """Quote text as an SQL literal. Use it only for settings; values from a request are always parameters."""
    return "'" + text.replace("'", "''") + "'"


QUERIES = load_queries(resource("sql") / "queries")
