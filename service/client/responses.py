"""How a response becomes data or an exception."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from service.client.call import Call
from service.client.errors import (
    STATUS_ERRORS,
    ApplicationCrash,
    IdentifyRequestError,
    InvalidResponse,
    RequirementsError,
    StatusError,
)
from service.client.records import ParamError, requirement_of

SUCCESS = "action-successful"
SERVER_ERROR = 500

# A later attempt can succeed.
TRANSIENT = (ApplicationCrash, IdentifyRequestError)


def data_of(call: Call[Any], code: int, headers: Mapping[str, str], body: bytes) -> Any:
    """The data of a successful response. Raises the exception of any other, or `InvalidResponse`.

    `headers` are looked up by lower-case names.
    """
    envelope = _envelope(body)
    status = envelope.get("status")
    if status == SUCCESS:
        return envelope.get("data")
    error = STATUS_ERRORS.get(status) if isinstance(status, str) else None
    if error is None:
        raise invalid_response(call, code, headers)
    raise _status_error(error, call, envelope, headers)


def invalid_response(call: Call[Any], code: int, headers: Mapping[str, str]) -> InvalidResponse:
    """The exception of a response that the service did not send, as far as the client can know."""
    error = InvalidResponse(f"the response, HTTP {code}, is not of the service", (), call.request_id, call.lost_outcome)
    # What stands in front of the service may be unable to reach it for a moment.
    error.is_transient = code >= SERVER_ERROR
    error.retry_after_seconds = _retry_after_seconds(headers)
    return error


def _envelope(body: bytes) -> Mapping[str, Any]:
    try:
        envelope = json.loads(body)
    except ValueError:
        return {}
    return envelope if isinstance(envelope, dict) else {}


def _status_error(
    kind: type[StatusError], call: Call[Any], envelope: Mapping[str, Any], headers: Mapping[str, str]
) -> RequirementsError:
    default = call.lost_outcome if issubclass(kind, ApplicationCrash) else "none"
    error = kind(
        str(envelope.get("message")),
        tuple(ParamError(str(it["param"]), str(it["message"])) for it in envelope.get("errors") or ()),
        str(envelope.get("request_id") or call.request_id),
        headers.get("requirement-outcome", default),
    )
    error.is_transient = isinstance(error, TRANSIENT)
    error.retry_after_seconds = _retry_after_seconds(headers)
    if kind.status == "mandrill-email-failed":
        error.requirement = requirement_of(envelope["data"])
    return error


def _retry_after_seconds(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "0")
    if text.isdecimal():
        return float(text)
    try:
        return (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):  # no date, or one without a time zone
        return 0.0
