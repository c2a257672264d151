"""Output for a person to read: tables, counts, and secrets that are shown once."""

import errno
import os
import sys
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


def show_before_commit(*lines: str, undone: str) -> None:
    """Print lines that hold a secret, to be called before the secret is committed.

    Raises `ClickException`, which has `undone` in its message, unless they were written.
    """
    try:
        _write("".join(f"{line}\n" for line in lines))
    except OSError as error:
        # As in a process without an output: what is left in the buffer would fail again when the interpreter ends.
        sys.stdout = None
        raise click.ClickException(f"output: {error.strerror or error}: {undone}") from None


def _write(text: str) -> None:
    # Not by click: it writes nothing without an output, and ends the process without a word when the reader has gone.
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    sys.stdout.write(text)
    sys.stdout.flush()


def counted(count: int, noun: str) -> str:
    """The count with its noun, such as "1 token" or "2 tokens"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        # Not strftime, which writes years before 1000 with fewer digits.
        return f"{value.replace(tzinfo=None).isoformat(' ', 'seconds')} UTC"
    return printable(str(value))


def printable(text: str) -> str:
    """The text on one line: a stored text may hold line breaks, or control characters, which a terminal would obey."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
