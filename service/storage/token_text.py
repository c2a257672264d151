"""The text of new tokens."""

import secrets

TOKEN_BYTES = 32


def new_token() -> str:
    """Return a random token, as URL-safe base64 text."""
    return secrets.token_urlsafe(TOKEN_BYTES)
