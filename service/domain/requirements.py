"""A requirement: as a caller asks for it, and as its record stores it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from service.domain.idempotency import IdempotencyKey, keyed_uid, params_digest
from service.domain.references import Reference
from service.domain.uuids import time_ordered_uuid
from service.domain.views import timestamp


class NewRequirement(NamedTuple):
    """A requirement to write, if the token is valid.

    `request_uid` is a UUID that identifies the call: writing it twice leaves one row. `params_digest` is None without
    an Idempotency-Key. `retried` means that an earlier attempt may have written the row. `request_id` is the id of the
    call, for the record of changes. `shows_caller` means that the answer has a view of the session or the application.
    """

    request_uid: str
    token_digest: bytes
    required: Reference
    requireable: Reference
    key: str | None
    value: str | None
    params_digest: bytes | None
    retried: bool = False
    request_id: str | None = None
    shows_caller: bool = False

    @property
    def may_exist(self) -> bool:
        """Whether a row with this request_uid may exist, or be written by another transaction."""
        return self.retried or self.params_digest is not None


class Requirement(NamedTuple):
    """The record of a requirement. `params_digest` is that of the params it was created with, if a key was sent."""

    id: int
    required: Reference
    requireable: Reference
    key: str | None
    value: str | None
    created_at: datetime
    updated_at: datetime
    params_digest: bytes | None

    def view(self) -> dict[str, Any]:
        """The record as an answer shows it."""
        return {
            "id": self.id,
            "required": {"type": self.required.type, "id": self.required.id},
            "requireable": {"type": self.requireable.type, "id": self.requireable.id},
            "key": self.key,
            "value": self.value,
            "created_at": timestamp(self.created_at),
            "updated_at": timestamp(self.updated_at),
        }


def new_requirement(
    token_digest: bytes,
    params: Mapping[str, Any],
    idempotency_key: IdempotencyKey | None,
    request_id: str | None = None,
) -> NewRequirement:
    """The requirement that a create with these params writes. `idempotency_key` is None if the call has none."""
    return NewRequirement(
        time_ordered_uuid() if idempotency_key is None else keyed_uid(idempotency_key),
        token_digest,
        params["required"],
        params["requireable"],
        params["key"],
        params["value"],
        None if idempotency_key is None else params_digest(params),
        request_id=request_id,
        shows_caller=any(params.get(view) is not None for view in ("session_view", "application_view")),
    )
