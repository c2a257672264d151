"""What an answer, or its absence, says about the write: one of three outcomes, or a broken promise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

Outcome = Literal["ok", "fail", "unknown", "violation"]

SUCCESSES = {(200, "action-successful"), (500, "mandrill-email-failed")}

# What a gateway says by itself when it had no answer from the service.
GATEWAY_CODES = {502, 504}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came over the wire; the names of headers are in lower case."""

    code: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Seen:
    """How an attempt ended for its client. `status` is the envelope's, or words of ours where there is none."""

    outcome: Outcome
    status: str
    code: int | None = None
    told: str | None = None  # the Requirement-Outcome header
    data: Mapping[str, Any] | None = field(default=None)


NOT_SENT = Seen("fail", "not sent")
CUT_SHORT = Seen("fail", "body never sent whole")
NO_ANSWER = Seen("unknown", "no answer")
TOO_LATE = Seen("unknown", "no answer in time")
GONE = Seen("unknown", "client left")


def classify(answer: Answer) -> Seen:
    """The outcome that an answer stands for."""
    told = answer.headers.get("requirement-outcome")
    envelope = _envelope(answer)
    if envelope is None:
        gateway = answer.code in GATEWAY_CODES
        return Seen("unknown" if gateway else "violation", "no envelope", answer.code, told)
    status, data = envelope["status"], envelope.get("data")
    if (status, told) == ("application-crash", "none") and "retry-after" not in answer.headers:
        return Seen("violation", "no Retry-After", answer.code, told)
    return Seen(_outcome(answer.code, status, told, data), status, answer.code, told, data)


def _envelope(answer: Answer) -> dict[str, Any] | None:
    try:
        envelope = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    told = isinstance(envelope, dict) and isinstance(envelope.get("status"), str)
    return envelope if told else None


def _outcome(code: int, status: str, told: str | None, data: object) -> Outcome:
    if (code, status) in SUCCESSES:
        identified = isinstance(data, dict) and isinstance(data.get("id"), int)
        return "ok" if identified and told in ("created", "replayed") else "violation"
    if data is not None or status in {name for _, name in SUCCESSES}:
        return "violation"
    if 400 <= code < 500:
        return "fail" if told in ("none", None) else "violation"
    by_header: dict[str | None, Outcome] = {"none": "fail", "unknown": "unknown"}
    return by_header.get(told, "violation") if code >= 500 else "violation"
