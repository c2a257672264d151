"""The Idempotency-Key: its rule, and the request_uid that makes a repeated call the same call."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from service.domain.callers import Caller
from service.domain.statuses import ParamError
from service.domain.uuids import uuid_of

HEADER = "Idempotency-Key"
MAX_LENGTH = 255


class IdempotencyKey(NamedTuple):
    """A key and the caller who sent it. Keys of different callers never collide."""

    caller: Caller
    text: str


def key_errors(values: Sequence[str]) -> Iterator[ParamError]:
    """The error in the `Idempotency-Key` headers of a request, if there is one. No header at all is valid."""
    valid = len(values) <= 1 and all(
        1 <= len(key) <= MAX_LENGTH and key.isascii() and key.isprintable() for key in values
    )
    if not valid:
        yield ParamError(HEADER, f"must be one header of 1 to {MAX_LENGTH} printable ASCII characters")


def keyed_uid(key: IdempotencyKey) -> str:
    """The request_uid of a key: a UUID of version 8, always the same for the same key of the same caller.

    The scope of a key is the user of a session token, or the application of an application token.
    """
    caller, text = key
    if caller.session is not None:
        scope = f"user:{caller.session.user_id}"
    else:
        assert caller.application is not None  # noqa: S101 - a caller has a session or an application
        scope = f"application:{caller.application.id}"
    return uuid_of(sha256(f"{scope}:{text}".encode()).hexdigest(), version=8)


def params_digest(params: Mapping[str, Any]) -> bytes:
    """The digest of a call's params, by which a repeated call is compared. The token and the views do not count."""
    required, requireable = params["required"], params["requireable"]
    content = [required.type, required.id, requireable.type, requireable.id, params["key"], params["value"]]
    return sha256(orjson.dumps(content)).digest()
