"""A reference JSON parser, written from RFC 8259 and the contract's own rules, to compare with the service's.

It shares no code with the service's parser.
"""

import re
from typing import Any, NoReturn

MAX_DEPTH = 32
MAX_INTEGER_LENGTH = 1000

_TOKEN = re.compile(
    r"""[ \t\n\r]*(?:
    (?P<mark>[\[\]{},:])
    |(?P<string>"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*")
    |(?P<real>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+))
    |(?P<integer>-?(?:0|[1-9][0-9]*))
    |(?P<word>true|false|null)
    )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_SHORT = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"true": True, "false": False, "null": None}


class InvalidDocument(Exception):
    """The body is not exactly one unambiguous JSON document."""


class EmptyDocument(Exception):
    """The body is empty or only white space."""


def read(body: bytes) -> Any:
    """Parse the document in `body`. Raises `EmptyDocument` or `InvalidDocument`."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidDocument from None
    if not text.strip(" \t\n\r"):
        raise EmptyDocument
    reader = _Reader(text)
    document = reader.value(0)
    if text[reader.at :].strip(" \t\n\r"):
        _refuse()
    return document


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0

    def _next(self) -> tuple[str, str]:
        match = _TOKEN.match(self._text, self.at)
        if match is None or match.lastgroup is None:
            _refuse()
        self.at = match.end()
        return match.lastgroup, match[match.lastgroup]

    def value(self, depth: int) -> Any:
        kind, token = self._next()
        if token in ("[", "{") and kind == "mark":
            if depth == MAX_DEPTH:
                _refuse()
            return self._list(depth + 1) if token == "[" else self._object(depth + 1)
        if kind == "string":
            return _text(token)
        if kind == "word":
            return _WORDS[token]
        if kind == "real":
            return float(token)
        if kind == "mark" or len(token) > MAX_INTEGER_LENGTH:
            _refuse()
        return int(token)

    def _closed(self, mark: str) -> bool:
        """Consume the next token if it is `mark`; return whether it was."""
        match = _TOKEN.match(self._text, self.at)
        if match is None or match["mark"] != mark:
            return False
        self.at = match.end()
        return True

    def _more(self, closing: str) -> bool:
        kind, token = self._next()
        if kind != "mark" or token not in (",", closing):
            _refuse()
        return token == ","

    def _list(self, depth: int) -> list[Any]:
        items: list[Any] = []
        if self._closed("]"):
            return items
        items.append(self.value(depth))
        while self._more("]"):
            items.append(self.value(depth))
        return items

    def _object(self, depth: int) -> dict[str, Any]:
        content: dict[str, Any] = {}
        if self._closed("}"):
            return content
        self._pair(content, depth)
        while self._more("}"):
            self._pair(content, depth)
        return content

    def _pair(self, content: dict[str, Any], depth: int) -> None:
        kind, token = self._next()
        if kind != "string" or self._next() != ("mark", ":"):
            _refuse()
        name = _text(token)
        if name in content:
            _refuse()
        content[name] = self.value(depth)


def _refuse() -> NoReturn:
    raise InvalidDocument


def _text(token: str) -> str:
    """Decode a string token as UTF-16: a surrogate pair is one character, a lone surrogate is refused."""
    if "\\" not in token:
        return token[1:-1]
    units = _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _SHORT[found[2]], token[1:-1])
    try:
        return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise InvalidDocument from None
