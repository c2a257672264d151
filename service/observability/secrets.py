"""Find and remove secrets in text and data that leave the process, such as logs and Sentry events."""

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

# A shorter string may occur in ordinary text: redacting it would let a caller blank parts of the logs.
_SHORTEST_SECRET = 8
_MAX_REMEMBERED = 4
# Characters searched beyond a cut and then dropped, as a secret that the cut splits is not recognisable.
_CUT_MARGIN = 2048

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
    r"(?<![\w-])(?=[a-z_-]*[A-Z0-9])[\w-]{43}(?![\w-])"  # secrets.token_urlsafe(32), but not a snake_case name
    r"|(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])"  # SHA-256
    r"|\be[wy][A-Za-z0-9+/_-]{22,}={0,2}"  # base64 of a JSON object
    r"|\bmd-[\w-]{22}(?![\w-])",  # a Mandrill API key
)
_SHORTEST_SHAPE = 43


class Secret:
    """A string that must not leave the process, and its encoded forms."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def forms(self) -> tuple[str, ...]:
        """Return the string and its URL-, JSON-, Python- and base64-escaped forms, longest first."""
        escaped = set(_escaped(self.text))
        encoded = {piece for form in escaped for piece in _base64_pieces(form)}
        return tuple(sorted(escaped | encoded, key=len, reverse=True))

    def remove(self, text: str) -> str:
        """Return `text` with each form of this secret redacted."""
        if len(text) <= len(self.text):
            return REDACTED if text == self.text else text
        for form in self.forms:
            if form in text:
                text = text.replace(form, REDACTED)
        return text


PROCESS_SECRETS: ContextVar[tuple[Secret, ...]] = ContextVar("PROCESS_SECRETS", default=())
REQUEST_SECRETS: ContextVar[tuple[Secret, ...]] = ContextVar("REQUEST_SECRETS", default=())


def remember(secret: str) -> None:
    """Redact `secret`, such as a request's token, in everything that this context logs or reports from now on.

    The latest four secrets of a context are kept. Tasks started from the context inherit them, threads do not. Strings
    of fewer than 8 characters are ignored.
    """
    if len(secret) >= _SHORTEST_SECRET:
        REQUEST_SECRETS.set((*REQUEST_SECRETS.get(), Secret(secret))[-_MAX_REMEMBERED:])


def protect(*secrets: str) -> None:
    """Redact the process's own secrets (API keys, passwords). Call it once, before the event loop starts."""
    PROCESS_SECRETS.set(tuple(Secret(secret) for secret in secrets if len(secret) >= _SHORTEST_SECRET))


@lru_cache(maxsize=1024)
def is_sensitive(name: str) -> bool:
    """Return whether a field name suggests a secret, such as token, password or api_key."""
    return _SENSITIVE_NAME.search(name) is not None


def redact(text: str) -> str:
    """Return `text` without known secrets, URL passwords, and values that are named or shaped like a secret."""
    for secret in (*REQUEST_SECRETS.get(), *PROCESS_SECRETS.get()):
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
        head = redact(text[: limit + _CUT_MARGIN])
        kept = f"{head[: max(0, min(limit, len(head) - _CUT_MARGIN))]}… ({len(text)} characters)"
    return kept if kept.isascii() else kept.encode("utf-8", "backslashreplace").decode()


def plain(value: object, *, limit: int, depth: int, breadth: int) -> object:
    """Return any value as plain JSON data without secrets.

    Strings are cut to `limit` characters, containers to `breadth` entries and `depth` levels. An integer beyond 64 bits
    becomes its hexadecimal digits, an object of another type its text.
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
        return bytes(value[: limit + _CUT_MARGIN + 1]).decode("utf-8", "backslashreplace")
    try:
        return str(value)
    except Exception:  # noqa: BLE001  # __str__ may raise
        return f"<{type(value).__name__}>"


def _escaped(text: str) -> Iterator[str]:
    octets = text.encode("utf-8", "surrogatepass")
    yield text
    yield repr(text)[1:-1]
    for ensure_ascii in (True, False):
        inner = json.dumps(text, ensure_ascii=ensure_ascii)[1:-1]
        yield inner
        yield inner.replace("/", r"\/")
    # JavaScript's encodeURIComponent does not escape these marks.
    for escaped in (quote(octets), quote(octets, safe=""), quote(octets, safe="!'()*"), quote_plus(octets)):
        yield escaped
        yield re.sub("%..", lambda match: match[0].lower(), escaped)


def _base64_pieces(text: str) -> Iterator[str]:
    """Yield the parts of a base64 text that `text` produces inside a longer text, at each of the three alignments."""
    octets = text.encode("utf-8", "surrogatepass")
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + octets).decode()
        # The outer characters also encode bits of the neighbouring octets.
        piece = whole[-(-8 * shift // 6) : 8 * (shift + len(octets)) // 6]
        yield piece
        yield quote(piece, safe="")
        yield piece.replace("+", "-").replace("/", "_")
