"""Output for a person to read: tables and counts."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import click


def print_records(rows: Iterable[Any], *columns: str) -> None:
    """Print these columns of the rows, which are mappings or records. Headings have spaces for underscores."""
    print_table([column.replace("_", " ") for column in columns], ([row[column] for column in columns] for row in rows))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows below their headings. Each column is as wide as its widest cell."""
    cells = [list(headings), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def counted(count: int, noun: str) -> str:
    """The count with its noun, such as "1 token" or "2 tokens"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    # A stored text may hold line breaks or control characters, which would break the table.
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(value))
