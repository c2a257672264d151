"""The examples of answers in the document."""

from collections.abc import Mapping
from typing import Any

from service.api.action import Action
from service.api.openapi.envelopes import message_of
from service.api.openapi.records import MOMENT, RECORD_EXAMPLES
from service.domain.statuses import (
    ActionSuccessful,
    ClientRequired,
    InvalidParam,
    MandrillEmailFailed,
    MissingParam,
    Status,
)

# To be replaced by a token that `demo` prints.
TOKEN_PLACEHOLDER = "PASTE-THE-TOKEN-HERE"  # noqa: S105 - not a token

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
_CONTENTS: Mapping[type[Status], Mapping[str, Any]] = {
    ClientRequired: {"session": _SESSION},
    MissingParam: {"errors": [{"param": "required", "message": "is required"}]},
    InvalidParam: {"errors": [{"param": "required.id", "message": "does not exist"}]},
}


def example(action: Action, status: type[Status]) -> Mapping[str, Any]:
    """The envelope of an answer of `action` with `status`."""
    with_data = status in (ActionSuccessful, MandrillEmailFailed)
    data = RECORD_EXAMPLES[action.data_component] if with_data else None
    envelope = {"status": status.name, "message": message_of(action, status), "data": data}
    return {**envelope, **_CONTENTS.get(status, {}), "request_id": "0123456789abcdef0123456789abcdef"}
