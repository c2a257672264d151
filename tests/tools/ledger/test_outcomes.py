"""Each answer is classified as the contract says."""

from typing import Any

import orjson
import pytest

from tests.tools.ledger.outcomes import NO_ANSWER, Answer, AttemptResult, Outcome, classify, lost

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


OTHER_ACTIONS: list[tuple[str, int, str, str | None, Any, Outcome]] = [
    ("update", 200, "action-successful", "updated", DATA, "ok"),
    ("update", 200, "action-successful", "none", DATA, "ok"),
    ("update", 200, "action-successful", "created", DATA, "violation"),
    ("update", 500, "mandrill-email-failed", "updated", DATA, "violation"),
    ("update", 500, "application-crash", "unknown", None, "unknown"),
    ("destroy", 200, "action-successful", "destroyed", DATA, "ok"),
    ("destroy", 200, "action-successful", "none", DATA, "violation"),
    ("destroy", 200, "action-successful", "replayed", None, "violation"),
    ("read", 200, "action-successful", None, DATA, "ok"),
    ("read", 200, "action-successful", "none", DATA, "violation"),
    ("read", 200, "action-successful", None, None, "violation"),
    ("read", 400, "invalid-param", None, None, "fail"),
    ("read", 500, "application-crash", None, None, "fail"),
    ("read", 500, "application-crash", "unknown", None, "violation"),
    ("index", 200, "action-successful", None, {"results": []}, "ok"),
    ("index", 200, "action-successful", None, DATA, "violation"),
    ("create_many", 200, "action-successful", "mixed", {"results": []}, "ok"),
    ("destroy_many", 200, "action-successful", "updated", {"results": []}, "violation"),
]


@pytest.mark.parametrize(("action", "code", "status", "outcome_header", "data", "outcome"), OTHER_ACTIONS)
def test_an_envelope_of_another_action(
    action: str, code: int, status: str, outcome_header: str | None, data: Any, outcome: Outcome
) -> None:
    """Each action has its own outcomes, and data of its own form. A read has no outcome."""
    headers = {"retry-after": "1"} | ({} if outcome_header is None else {"requirement-outcome": outcome_header})
    result = classify(Answer(code, headers, orjson.dumps({"status": status, "data": data})), action)
    assert result == AttemptResult(outcome, status, code, outcome_header, data)


def test_a_read_without_an_answer() -> None:
    """A read whose answer is lost has changed nothing; a write may have."""
    assert lost("read", NO_ANSWER).outcome == "fail"
    assert lost("update", NO_ANSWER).outcome == "unknown"
    assert [classify(Answer(502, {}, b""), action).outcome for action in ("index", "destroy")] == ["fail", "unknown"]


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
