"""Classify an answer, or its absence, by what it says about the write."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

Outcome = Literal["ok", "fail", "unknown", "violation"]

SUCCESSES = {(200, "action-successful"), (500, "mandrill-email-failed")}

# Codes that a gateway sends when it got no response from the service.
GATEWAY_CODES = {502, 504}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response. Header names are in lower case."""

    code: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """Result of an attempt as its client saw it. `status` is the envelope's, or a description if there is none."""

    outcome: Outcome
    status: str
    code: int | None = None
    outcome_header: str | None = None  # Requirement-Outcome
    data: Mapping[str, Any] | None = field(default=None)


NOT_SENT = AttemptResult("fail", "not sent")
BODY_INCOMPLETE = AttemptResult("fail", "body incomplete")
NO_ANSWER = AttemptResult("unknown", "no answer")
TIMED_OUT = AttemptResult("unknown", "no answer in time")
CLIENT_LEFT = AttemptResult("unknown", "client left")


def classify(answer: Answer) -> AttemptResult:
    """Return the outcome of an answer."""
    outcome_header = answer.headers.get("requirement-outcome")
    envelope = _envelope(answer)
    if envelope is None:
        gateway = answer.code in GATEWAY_CODES
        return AttemptResult("unknown" if gateway else "violation", "no envelope", answer.code, outcome_header)
    status, data = envelope["status"], envelope.get("data")
    if (status, outcome_header) == ("application-crash", "none") and "retry-after" not in answer.headers:
        return AttemptResult("violation", "no Retry-After", answer.code, outcome_header)
    return AttemptResult(_outcome(answer.code, status, outcome_header, data), status, answer.code, outcome_header, data)


def _envelope(answer: Answer) -> dict[str, Any] | None:
    try:
        envelope = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    valid = isinstance(envelope, dict) and isinstance(envelope.get("status"), str)
    return envelope if valid else None


def _outcome(code: int, status: str, outcome_header: str | None, data: object) -> Outcome:
    if (code, status) in SUCCESSES:
        identified = isinstance(data, dict) and isinstance(data.get("id"), int)
        return "ok" if identified and outcome_header in ("created", "replayed") else "violation"
    if data is not None or status in {name for _, name in SUCCESSES}:
        return "violation"
    if 400 <= code < 500:
        return "fail" if outcome_header in ("none", None) else "violation"
    by_header: dict[str | None, Outcome] = {"none": "fail", "unknown": "unknown"}
    return by_header.get(outcome_header, "violation") if code >= 500 else "violation"
