"""Changes of one requirement: an update or a destroy, as a caller asks for it."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from service.domain.idempotency import IdempotencyKey, keyed_uid
from service.domain.times import parse_time
from service.domain.uuids import time_ordered_uuid

CHANGEABLE = ("key", "value")


class RequirementChange(NamedTuple):
    """A change to make, if the token is valid.

    `values` are the new key and value, those that were passed; None to destroy the requirement. `if_updated_at` is the
    updated_at that the requirement must have; None for any. `request_uid` is a UUID that identifies the call: carrying
    it out twice changes the requirement once. `params_digest` is None without an Idempotency-Key. `retried` means that
    an earlier attempt may have made the change.
    """

    id: int
    values: Mapping[str, str | None] | None
    if_updated_at: datetime | None
    request_uid: str
    token_digest: bytes
    params_digest: bytes | None
    request_id: str
    retried: bool = False

    @property
    def may_be_repeated(self) -> bool:
        """Whether another attempt may have the same request_uid."""
        return self.retried or self.params_digest is not None


def new_change(
    action: str,
    params: Mapping[str, Any],
    token_digest: bytes,
    idempotency_key: IdempotencyKey | None,
    request_id: str,
) -> RequirementChange:
    """The change that a call of `action` ("update" or "destroy") with these params makes."""
    values = {name: params[name] for name in CHANGEABLE if name in params} if action == "update" else None
    if_updated_at = params["if_updated_at"]
    return RequirementChange(
        params["id"],
        values,
        None if if_updated_at is None else parse_time(if_updated_at),
        time_ordered_uuid() if idempotency_key is None else keyed_uid(idempotency_key),
        token_digest,
        None if idempotency_key is None else _digest(action, params["id"], values, if_updated_at),
        request_id,
    )


def _digest(*content: Any) -> bytes:
    return sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()
