"""The details of audit entries and notifications, as text. Any JSON is shown, because other software may write rows."""

import json
from typing import Any

from service.admin.console.filters import UNKNOWN


class _Number(str):
    """A number as it is written in the JSON, because Python's numbers cannot hold all of them."""

    __slots__ = ()


def read_details(text: str) -> dict[str, str] | str:
    """The names and values of a JSON object; any other JSON as one text.

    A text that is not JSON, or is nested too deeply to be read, is returned unchanged.
    """
    try:
        value = json.loads(text, parse_int=_Number, parse_float=_Number)
        if isinstance(value, dict):
            return {name: _outer(inner) for name, inner in value.items()}
        return _outer(value)
    except (ValueError, RecursionError):
        return text


def _outer(value: Any) -> str:
    """A value that stands by itself."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, str) else _inner(value)


def _inner(value: Any) -> str:
    """A value within others, as JSON."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {_inner(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inner, value))}]"
    return json.dumps(value, ensure_ascii=False)
