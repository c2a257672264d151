"""A requirement: as submitted, as recorded, and the identity that makes a repeated request the same request."""

import time
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from service.callers import Caller
from service.entropy import random_digits
from service.schemas import CreateParams, Reference
from service.views import timestamp

_RANDOM = random_digits(10)


class Submission(NamedTuple):
    """A requirement as it is to be written. `params_digest` is None without an Idempotency-Key.

    `retried` tells that an earlier attempt may have written it already.
    """

    request_uid: str  # a UUID in its usual form
    required: Reference
    requireable: Reference
    key: str | None
    value: str | None
    application_id: int | None
    user_id: int | None
    session_id: int | None
    params_digest: bytes | None
    retried: bool = False


class Requirement(NamedTuple):
    """A requirement as its record says. `params_digest` stands for the params that it was once created with."""

    id: int
    required: Reference
    requireable: Reference
    key: str | None
    value: str | None
    created_at: datetime
    updated_at: datetime
    params_digest: bytes | None

    def view(self) -> dict[str, Any]:
        """The record as callers are shown it."""
        return {
            "id": self.id,
            "required": {"type": self.required.type, "id": self.required.id},
            "requireable": {"type": self.requireable.type, "id": self.requireable.id},
            "key": self.key,
            "value": self.value,
            "created_at": timestamp(self.created_at),
            "updated_at": timestamp(self.updated_at),
        }


def submission(caller: Caller, params: CreateParams, idempotency_key: str | None) -> Submission:
    """What `caller` asks to be recorded; with an `idempotency_key` always the same identity for the same key."""
    keyed = idempotency_key is not None
    return Submission(
        request_uid=_keyed_uid(caller, idempotency_key) if idempotency_key is not None else _fresh_uid(),
        required=params.required,
        requireable=params.requireable,
        key=params.key,
        value=params.value,
        application_id=caller.application.id if caller.application else None,
        user_id=caller.session.user_id if caller.session else None,
        session_id=caller.session.id if caller.session else None,
        params_digest=_params_digest(params) if keyed else None,
    )


def _keyed_uid(caller: Caller, idempotency_key: str) -> str:
    """A key belongs to the user of a session or to the application of a token: no other caller can meet it."""
    if caller.session is not None:
        scope = f"user:{caller.session.user_id}"
    else:
        assert caller.application is not None  # noqa: S101 - a caller is one or the other
        scope = f"application:{caller.application.id}"
    return _uuid(sha256(f"{scope}:{idempotency_key}".encode()).hexdigest(), version=8)


def _fresh_uid() -> str:
    """Random, and led by the time, so that new rows go to the same pages of the index (RFC 9562, version 7)."""
    milliseconds = time.time_ns() // 1_000_000
    return _uuid(f"{milliseconds:012x}{next(_RANDOM)}", version=7)


def _uuid(digits: str, version: int) -> str:
    """The first 32 hexadecimal digits as a UUID: RFC 9562 has one of them name the version, two bits the variant."""
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-{version}{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def _params_digest(params: CreateParams) -> bytes:
    required, requireable = params.required, params.requireable
    content = [required.type, required.id, requireable.type, requireable.id, params.key, params.value]
    return sha256(orjson.dumps(content)).digest()
