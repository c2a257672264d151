"""Cursors: positions that callers get and send back, encrypted and authenticated.

A cursor belongs to its list: it opens only with the context that it was sealed with. A position may be that of a row
that the caller may not see, so it is encrypted. The construction is that of SIV: the tag authenticates the context and
the position, and it is the nonce of the cipher. A position always has the same cursor, and no nonce can be reused.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256, shake_256

TAG_BYTES = 16


def seal(key: bytes, context: bytes, position: bytes) -> str:
    """The cursor of a position: letters, digits, `-` and `_`."""
    tag = _tag(key, context, position)
    return urlsafe_b64encode(tag + _crypt(key, tag, position)).rstrip(b"=").decode()


def unseal(key: bytes, context: bytes, cursor: str) -> bytes | None:
    """The position of a cursor; None if it was not sealed with this key and context."""
    try:
        sealed = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except ValueError:
        return None
    tag, position = sealed[:TAG_BYTES], _crypt(key, sealed[:TAG_BYTES], sealed[TAG_BYTES:])
    authentic = hmac.compare_digest(tag, _tag(key, context, position))
    # Decoding ignores foreign characters and unused bits: only the cursor as it was sealed counts.
    return position if authentic and seal(key, context, position) == cursor else None


def _tag(key: bytes, context: bytes, position: bytes) -> bytes:
    text = len(context).to_bytes(8, "big") + context + position
    return hmac.digest(_subkey(key, b"tag"), text, sha256)[:TAG_BYTES]


def _crypt(key: bytes, tag: bytes, text: bytes) -> bytes:
    stream = shake_256(_subkey(key, b"cipher") + tag).digest(len(text))
    return bytes(left ^ right for left, right in zip(text, stream, strict=True))


def _subkey(key: bytes, purpose: bytes) -> bytes:
    return hmac.digest(key, purpose, sha256)
