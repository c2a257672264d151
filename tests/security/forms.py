"""Finding a secret in whatever form it may hide: worked out here anew, so that a blind spot is not shared."""

import base64
import hashlib
import html
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus


def digests(token: str) -> list[str]:
    """What is stored of a token, as people and programs write it down."""
    raw = hashlib.sha256(token.encode()).digest()
    return [raw.hex(), raw.hex().upper(), *aligned(raw)]


def aligned(data: bytes) -> list[str]:
    """The characters that base64 of any text with `data` inside holds, wherever in it that stands."""
    found = []
    for before in range(3):
        # Bytes around it show which characters it alone decides.
        ways = [base64.b64encode(fill * before + data + fill * 3).decode().rstrip("=") for fill in (b"\0", b"\xff")]
        same = [a == b for a, b in zip(*ways, strict=True)]
        first = same.index(True)
        last = len(same) - same[::-1].index(True)
        found.append(ways[0][first:last])
    return found


def forms(secret: str) -> set[str]:
    """Every way of writing `secret` that something on the way might use."""
    written = {secret, repr(secret)[1:-1], html.escape(secret), *_quoted(secret), *_as_json(secret)}
    encoded = {piece for text in written for piece in aligned(text.encode())}
    return written | encoded | {piece.replace("+", "-").replace("/", "_") for piece in encoded}


def _quoted(secret: str) -> Iterator[str]:
    for text in (quote(secret), quote(secret, safe=""), quote_plus(secret), quote(secret, safe="!'()*~-_.")):
        yield text
        yield text.replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d")


def _as_json(secret: str) -> Iterator[str]:
    for plain in (True, False):
        text = json.dumps(secret, ensure_ascii=plain)[1:-1]
        yield from (text, text.replace("/", "\\/"), json.dumps(text)[1:-1])
    yield "".join(f"\\u{ord(letter):04x}" for letter in secret)


def sightings(text: str, secrets: dict[str, str], *, around: int = 60) -> Iterator[str]:
    """Where any of the named `secrets` stands in `text`."""
    for name, secret in secrets.items():
        for form in forms(secret) if not name.startswith("digest") else {secret}:
            place = text.find(form)
            if place >= 0:
                yield f"{name}: …{text[max(0, place - around) : place + len(form) + around]}…"


def with_digests(tokens: dict[str, str]) -> dict[str, str]:
    """Tokens, and what is stored of each."""
    stored = {f"digest {number} of {name}": it for name, token in tokens.items() for number, it in _numbered(token)}
    return tokens | stored


def _numbered(token: str) -> Iterable[tuple[int, str]]:
    return enumerate(digests(token))
