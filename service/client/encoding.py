"""How params become a body, and texts become headers."""

import base64
import json
from collections.abc import Mapping
from typing import Any


def header_value(name: str, text: str) -> str:
    """The text, if it can be the value of a header. Raises ValueError otherwise."""
    if not (text and text.isascii() and text.isprintable() and text == text.strip()):
        raise ValueError(f"{name} must be printable ASCII characters, without spaces around them")
    return text


def encode(params: Mapping[str, Any], *, as_base64: bool) -> tuple[bytes, str]:
    """The body that has these params, and its content type."""
    # Lone surrogates are left to the service, which refuses them.
    body = json.dumps(params, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return (base64.b64encode(body), "text/plain") if as_base64 else (body, "application/json")
