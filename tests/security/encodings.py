"""Find a secret in any encoding. Independent of the service's own redaction, so that both do not share a bug."""

import base64
import hashlib
import html
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus


def digests(token: str) -> list[str]:
    """The stored digest of a token, in its usual text forms."""
    raw = hashlib.sha256(token.encode()).digest()
    return [raw.hex(), raw.hex().upper(), *aligned(raw)]


def aligned(data: bytes) -> list[str]:
    """The base64 characters that `data` produces at each of the three possible alignments within a longer text."""
    found = []
    for before in range(3):
        # Characters that are equal with different surrounding bytes depend on `data` alone.
        variants = [
            base64.b64encode(padding * before + data + padding * 3).decode().rstrip("=") for padding in (b"\0", b"\xff")
        ]
        same = [a == b for a, b in zip(*variants, strict=True)]
        first = same.index(True)
        last = len(same) - same[::-1].index(True)
        found.append(variants[0][first:last])
    return found


def encodings(secret: str) -> set[str]:
    """Every encoding of `secret` that a component might use."""
    texts = {secret, repr(secret)[1:-1], html.escape(secret), *_quoted(secret), *_as_json(secret)}
    encoded = {piece for text in texts for piece in aligned(text.encode())}
    return texts | encoded | {piece.replace("+", "-").replace("/", "_") for piece in encoded}


def _quoted(secret: str) -> Iterator[str]:
    for text in (quote(secret), quote(secret, safe=""), quote_plus(secret), quote(secret, safe="!'()*~-_.")):
        yield text
        yield text.replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d")


def _as_json(secret: str) -> Iterator[str]:
    for plain in (True, False):
        text = json.dumps(secret, ensure_ascii=plain)[1:-1]
        yield from (text, text.replace("/", "\\/"), json.dumps(text)[1:-1])
    yield "".join(f"\\u{ord(letter):04x}" for letter in secret)


def occurrences(text: str, secrets: dict[str, str], *, around: int = 60) -> Iterator[str]:
    """The places in `text` where any of the named `secrets` occurs."""
    for name, secret in secrets.items():
        for form in encodings(secret) if not name.startswith("digest") else {secret}:
            position = text.find(form)
            if position >= 0:
                yield f"{name}: …{text[max(0, position - around) : position + len(form) + around]}…"


def with_digests(tokens: dict[str, str]) -> dict[str, str]:
    """The tokens and their stored digests."""
    stored = {f"digest {number} of {name}": it for name, token in tokens.items() for number, it in _numbered(token)}
    return tokens | stored


def _numbered(token: str) -> Iterable[tuple[int, str]]:
    return enumerate(digests(token))
