"""Classify an answer, or its absence, by what it says about the write."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

Outcome = Literal["ok", "fail", "unknown", "violation"]

# The values of Requirement-Outcome that a success can have, by action; None: no such header, as of all reads.
SUCCESS_OUTCOMES: Mapping[str, frozenset[str | None]] = {
    "create": frozenset({"created", "replayed"}),
    "update": frozenset({"updated", "replayed", "none"}),
    "destroy": frozenset({"destroyed", "replayed"}),
    "create_many": frozenset({"created", "replayed", "none", "mixed"}),
    "destroy_many": frozenset({"destroyed", "replayed", "none", "mixed"}),
    "sync": frozenset({"created", "updated", "destroyed", "replayed", "none", "mixed"}),
    "read": frozenset({None}),
    "index": frozenset({None}),
}
READS = frozenset(action for action, outcomes in SUCCESS_OUTCOMES.items() if None in outcomes)
LISTS = frozenset({"index", "create_many", "destroy_many", "sync"})

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


def lost(action: str, result: AttemptResult) -> AttemptResult:
    """Return the result of an attempt whose answer was lost: a read that was not answered has changed nothing."""
    return AttemptResult("fail", result.status) if action in READS else result


def classify(answer: Answer, action: str = "create") -> AttemptResult:
    """Return the outcome of an answer to a request of this action."""
    outcome_header = answer.headers.get("requirement-outcome")
    envelope = _envelope(answer)
    if envelope is None:
        gateway = answer.code in GATEWAY_CODES
        result = AttemptResult("unknown" if gateway else "violation", "no envelope", answer.code, outcome_header)
        return lost(action, result) if gateway else result
    status, data = envelope["status"], envelope.get("data")
    if (status, outcome_header) == ("application-crash", "none") and "retry-after" not in answer.headers:
        return AttemptResult("violation", "no Retry-After", answer.code, outcome_header)
    outcome = _outcome(action, answer.code, status, outcome_header, data)
    return AttemptResult(outcome, status, answer.code, outcome_header, data)


def _envelope(answer: Answer) -> dict[str, Any] | None:
    try:
        envelope = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    valid = isinstance(envelope, dict) and isinstance(envelope.get("status"), str)
    return envelope if valid else None


def _outcome(action: str, code: int, status: str, outcome_header: str | None, data: object) -> Outcome:
    successes = {(200, "action-successful")} | ({(500, "mandrill-email-failed")} if action == "create" else set())
    if (code, status) in successes:
        return "ok" if _fits(action, data) and outcome_header in SUCCESS_OUTCOMES[action] else "violation"
    if data is not None or status in ("action-successful", "mandrill-email-failed"):
        return "violation"
    if action in READS:
        return "fail" if outcome_header is None and code >= 400 else "violation"
    if 400 <= code < 500:
        return "fail" if outcome_header in ("none", None) else "violation"
    by_header: dict[str | None, Outcome] = {"none": "fail", "unknown": "unknown"}
    return by_header.get(outcome_header, "violation") if code >= 500 else "violation"


def _fits(action: str, data: object) -> bool:
    if not isinstance(data, dict):
        return False
    return isinstance(data.get("results"), list) if action in LISTS else isinstance(data.get("id"), int)
