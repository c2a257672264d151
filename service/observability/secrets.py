"""Finding and removing secrets, wherever they stand in what is about to leave the process."""

import base64
import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextvars import ContextVar
from functools import cached_property, lru_cache, partial
from itertools import islice
from typing import Any
from urllib.parse import quote, quote_plus

_Container = Mapping[Any, object] | Collection[object]

REDACTED = "[redacted]"

# A shorter string is a word of its own in every text; blanking it would let a caller blank our logs.
_SHORTEST_SECRET = 8
_REMEMBERED_AT_ONCE = 4
_RAGGED_END = 2048

_NAMES = (
    "token|authori[sz]ation|password|passwd|secret|api_?key|dsn|database_?url|cookie|credential|digest|private_?key"
)
_SENSITIVE_NAME = re.compile(_NAMES, re.IGNORECASE)
# token=…, "password": "…", Authorization: Bearer …
_ASSIGNED = re.compile(
    rf"""((?:{_NAMES})\w*\\?["']?\s*[=:]\s*)"""
    r"""(?:b?\\?"[^"]*"|b?'[^']*'|(?:(?:bearer|basic)\s+)?[^\s,;&)}\]"']+)""",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"://([^\s:/@]*):\S*@")
_SHAPES = re.compile(
    r"(?<![\w-])(?=[a-z_-]*[A-Z0-9])[\w-]{43}(?![\w-])"  # secrets.token_urlsafe(32), no snake_case name
    r"|(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])"  # SHA-256
    r"|\be[wy][A-Za-z0-9+/_-]{22,}={0,2}"  # base64 of a JSON object
    r"|\bmd-[\w-]{22}(?![\w-])",  # a Mandrill key
)
_SHORTEST_SHAPE = 43


class Secret:
    """A string that must not leave the process, with every form it may hide in."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def forms(self) -> tuple[str, ...]:
        """Return the string and its URL-, JSON-, Python- and base64-escaped forms, longest first."""
        escaped = set(_escaped(self.text))
        encoded = {piece for form in escaped for piece in _base64_pieces(form)}
        return tuple(sorted(escaped | encoded, key=len, reverse=True))

    def remove(self, text: str) -> str:
        """Return `text` with each form of this secret replaced."""
        if len(text) <= len(self.text):
            return REDACTED if text == self.text else text
        for form in self.forms:
            if form in text:
                text = text.replace(form, REDACTED)
        return text


LASTING_SECRETS: ContextVar[tuple[Secret, ...]] = ContextVar("LASTING_SECRETS", default=())
CURRENT_SECRETS: ContextVar[tuple[Secret, ...]] = ContextVar("CURRENT_SECRETS", default=())


def remember(secret: str) -> None:
    """Have `secret`, a request's token, removed from all that this context logs or reports.

    The latest four are kept. Tasks started from this context inherit them, threads do not.
    """
    if len(secret) >= _SHORTEST_SECRET:
        CURRENT_SECRETS.set((*CURRENT_SECRETS.get(), Secret(secret))[-_REMEMBERED_AT_ONCE:])


def protect(*secrets: str) -> None:
    """Name the process's own secrets (API keys, passwords), once, before its event loop starts."""
    LASTING_SECRETS.set(tuple(Secret(secret) for secret in secrets if len(secret) >= _SHORTEST_SECRET))


@lru_cache(maxsize=1024)
def is_sensitive(name: str) -> bool:
    """Say whether a field of this name holds a secret: token, password, api_key and their like."""
    return _SENSITIVE_NAME.search(name) is not None


def redact(text: str) -> str:
    """Return `text` without known secrets, URL passwords, and whatever is named or shaped like a secret."""
    for secret in (*CURRENT_SECRETS.get(), *LASTING_SECRETS.get()):
        text = secret.remove(text)
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"://\1:{REDACTED}@", text)
    if "=" in text or ":" in text:
        text = _ASSIGNED.sub(rf"\1{REDACTED}", text)
    if len(text) >= _SHORTEST_SHAPE:
        text = _SHAPES.sub(REDACTED, text)
    return text


def clip(text: str, limit: int) -> str:
    """Return `text` redacted, representable in UTF-8, and cut to about `limit` characters."""
    if len(text) < _SHORTEST_SECRET and text.isascii():
        return text
    if len(text) <= limit:
        kept = redact(text)
    else:
        # A secret that the cut runs through is no longer recognisable: the ragged end goes with it.
        head = redact(text[: limit + _RAGGED_END])
        kept = f"{head[: max(0, min(limit, len(head) - _RAGGED_END))]}… ({len(text)} characters)"
    return kept if kept.isascii() else kept.encode("utf-8", "backslashreplace").decode()


def plain(value: object, *, limit: int, depth: int, breadth: int) -> object:
    """Return `value` as plain JSON data without secrets, whatever it is.

    Strings are cut to `limit` characters, containers to `breadth` entries and `depth` levels. An object of
    any other type becomes its text, an integer beyond 64 bits its hexadecimal digits.
    """
    if isinstance(value, str):
        return clip(value, limit)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else clip(hex(value), limit)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _container(value, limit, depth, breadth)
    return clip(_text(value, limit), limit)


def _container(value: _Container, limit: int, depth: int, breadth: int) -> object:
    if depth == 0:
        return f"<{type(value).__name__}>"
    inner = partial(plain, limit=limit, depth=depth - 1, breadth=breadth)
    if not isinstance(value, Mapping):
        return [inner(item) for item in islice(value, breadth)]
    named = ((_text(key, limit), item) for key, item in islice(value.items(), breadth))
    return {clip(name, limit): REDACTED if is_sensitive(name) else inner(item) for name, item in named}


def _text(value: object, limit: int) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value[: limit + _RAGGED_END + 1]).decode("utf-8", "backslashreplace")
    try:
        return str(value)
    except Exception:  # noqa: BLE001  # __str__ may be broken
        return f"<{type(value).__name__}>"


def _escaped(text: str) -> Iterator[str]:
    octets = text.encode("utf-8", "surrogatepass")
    yield text
    yield repr(text)[1:-1]
    for ensure_ascii in (True, False):
        inner = json.dumps(text, ensure_ascii=ensure_ascii)[1:-1]
        yield inner
        yield inner.replace("/", r"\/")
    # JavaScript's encodeURIComponent leaves some marks alone.
    for escaped in (quote(octets), quote(octets, safe=""), quote(octets, safe="!'()*"), quote_plus(octets)):
        yield escaped
        yield re.sub("%..", lambda match: match[0].lower(), escaped)


def _base64_pieces(text: str) -> Iterator[str]:
    """Yield what `text` looks like inside the base64 of whatever contains it, at each of three alignments."""
    octets = text.encode("utf-8", "surrogatepass")
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + octets).decode()
        # The outer characters also hold bits of the neighbouring octets.
        piece = whole[-(-8 * shift // 6) : 8 * (shift + len(octets)) // 6]
        yield piece
        yield quote(piece, safe="")
        yield piece.replace("+", "-").replace("/", "_")
