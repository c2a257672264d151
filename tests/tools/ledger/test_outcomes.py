"""Each answer is classified as the contract says."""

from typing import Any

import orjson
import pytest

from tests.tools.ledger.outcomes import Answer, AttemptResult, Outcome, classify

DATA = {"id": 41}

CASES: list[tuple[int, str, str | None, Any, Outcome]] = [
    (200, "action-successful", "created", DATA, "ok"),
    (200, "action-successful", "replayed", DATA, "ok"),
    (500, "mandrill-email-failed", "created", DATA, "ok"),
    (400, "invalid-param", "none", None, "fail"),
    (401, "invalid-token", "none", None, "fail"),
    (404, "route-not-found", "none", None, "fail"),
    (400, "invalid-param", None, None, "fail"),  # from a gateway, which sends no outcome
    (500, "application-crash", "none", None, "fail"),
    (500, "identify-request-error", "none", None, "fail"),
    (500, "application-crash", "unknown", None, "unknown"),
    (500, "application-crash", None, None, "violation"),
    (200, "action-successful", "none", DATA, "violation"),
    (200, "action-successful", "created", None, "violation"),
    (200, "action-successful", "created", {}, "violation"),
    (500, "mandrill-email-failed", "created", None, "violation"),
    (500, "action-successful", "none", None, "violation"),
    (400, "invalid-param", "created", None, "violation"),
    (500, "application-crash", "none", DATA, "violation"),
    (302, "action-successful", "created", DATA, "violation"),
]


@pytest.mark.parametrize(("code", "status", "outcome_header", "data", "outcome"), CASES)
def test_an_envelope(code: int, status: str, outcome_header: str | None, data: Any, outcome: Outcome) -> None:
    """Code, status, header and record determine the outcome; a contradiction among them is a violation."""
    headers = {"retry-after": "1"} | ({} if outcome_header is None else {"requirement-outcome": outcome_header})
    result = classify(Answer(code, headers, orjson.dumps({"status": status, "data": data})))
    assert result == AttemptResult(outcome, status, code, outcome_header, data)


@pytest.mark.parametrize("body", [b"", b"500 Internal Server Error", b"[]", b'{"error": "oops"}', b'{"status": 5}'])
@pytest.mark.parametrize(
    ("code", "outcome"), [(200, "violation"), (500, "violation"), (502, "unknown"), (504, "unknown")]
)
def test_no_envelope(code: int, body: bytes, outcome: str) -> None:
    """An answer without an envelope is a violation, unless a gateway reports a missing response."""
    assert classify(Answer(code, {}, body)).outcome == outcome


def test_no_retry_after() -> None:
    """A crash that wrote nothing must have Retry-After."""
    body = orjson.dumps({"status": "application-crash", "data": None})
    assert classify(Answer(500, {"requirement-outcome": "none"}, body)).outcome == "violation"
