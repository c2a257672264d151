"""A requirement: as submitted, as recorded, and the identity that makes a repeated request the same request."""

import time
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from service.domain.callers import Caller
from service.domain.random_ids import random_digits
from service.domain.schemas import CreateParams, Reference
from service.domain.views import timestamp

_RANDOM = random_digits(10)


class NewRequirement(NamedTuple):
    """A requirement as it is to be written for the caller with that token, if it is good.

    `params_digest` is None without an Idempotency-Key. `retried` tells that an earlier attempt may have written it.
    """

    request_uid: str  # a UUID in its usual form
    token_digest: bytes
    required: Reference
    requireable: Reference
    key: str | None
    value: str | None
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


class Key(NamedTuple):
    """An Idempotency-Key, and the caller whose it is."""

    owner: Caller
    text: str


def submission(token_digest: bytes, params: CreateParams, key: Key | None) -> NewRequirement:
    """What is asked to be recorded with a token; with a `key` always the same identity for the same key."""
    required, requireable, text, value, *_ = params
    if key is None:
        return NewRequirement(_fresh_uid(), token_digest, required, requireable, text, value, None)
    digest = _params_digest(params)
    return NewRequirement(_keyed_uid(*key), token_digest, required, requireable, text, value, digest)


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
