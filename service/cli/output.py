"""Rows as a person reads them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import click


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Rows below their headings, in columns as wide as their widest cell."""
    cells = [list(headings), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    # A cell is one line whatever the record holds.
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(value))
