"""What the document shows of requests and answers. All of it works, once the placeholder is a token."""

from collections.abc import Mapping
from typing import Any

from service.domain.statuses import (
    ActionSuccessful,
    ClientRequired,
    InvalidParam,
    MandrillEmailFailed,
    MissingParam,
    Status,
)

# What is to be replaced by a token that `demo` prints.
TOKEN_PLACEHOLDER = "PASTE-THE-TOKEN-HERE"  # noqa: S105 - it opens nothing

MOMENT = "2026-11-23T10:00:00.123456Z"

# Of records that `demo` makes.
PARAMS = {
    "required": {"type": "Service", "id": 1},
    "requireable": {"type": "Application", "id": 1},
    "key": "tier",
    "value": "gold",
}

_RECORD = {"id": 41, **PARAMS, "created_at": MOMENT, "updated_at": MOMENT}
_SESSION = {
    "id": 3,
    "token": "THE-TOKEN-THAT-WAS-SENT",
    "application_id": None,
    "user_id": 5,
    "remember_me": False,
    "created_at": MOMENT,
    "last_used_at": MOMENT,
    "expires_at": "2026-11-26T10:00:00.123456Z",
}
_MORE: Mapping[type[Status], Mapping[str, Any]] = {
    ActionSuccessful: {"data": _RECORD},
    MandrillEmailFailed: {"data": _RECORD},
    ClientRequired: {"session": _SESSION},
    MissingParam: {"errors": [{"param": "required", "message": "is required"}]},
    InvalidParam: {"errors": [{"param": "required.id", "message": "does not exist"}]},
}


def example(status: type[Status]) -> Mapping[str, Any]:
    """An envelope that tells `status`."""
    told = {"status": status.name, "message": status.message(), "data": None}
    return {**told, **_MORE.get(status, {}), "request_id": "0123456789abcdef0123456789abcdef"}
