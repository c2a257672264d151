"""Each answer stands for the outcome that the promise gives it."""

from typing import Any

import orjson
import pytest

from tests.tools.ledger.outcomes import Answer, classify

DATA = {"id": 41}

CASES: list[tuple[int, str, str | None, Any, str]] = [
    (200, "action-successful", "created", DATA, "ok"),
    (200, "action-successful", "replayed", DATA, "ok"),
    (500, "mandrill-email-failed", "created", DATA, "ok"),
    (400, "invalid-param", "none", None, "fail"),
    (401, "invalid-token", "none", None, "fail"),
    (404, "route-not-found", "none", None, "fail"),
    (400, "invalid-param", None, None, "fail"),  # as a gateway tells it, which knows nothing of outcomes
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


@pytest.mark.parametrize(("code", "status", "told", "data", "outcome"), CASES)
def test_an_envelope(code: int, status: str, told: str | None, data: object, outcome: str) -> None:
    """Code, status, header and record together tell the outcome; what does not go together is a violation."""
    headers = {"retry-after": "1"} | ({} if told is None else {"requirement-outcome": told})
    seen = classify(Answer(code, headers, orjson.dumps({"status": status, "data": data})))
    assert (seen.outcome, seen.status, seen.code, seen.told, seen.data) == (outcome, status, code, told, data)


@pytest.mark.parametrize("body", [b"", b"500 Internal Server Error", b"[]", b'{"error": "oops"}', b'{"status": 5}'])
@pytest.mark.parametrize(
    ("code", "outcome"), [(200, "violation"), (500, "violation"), (502, "unknown"), (504, "unknown")]
)
def test_no_envelope(code: int, body: bytes, outcome: str) -> None:
    """What is no envelope is a violation, unless a gateway tells so that it had no answer."""
    assert classify(Answer(code, {}, body)).outcome == outcome


def test_no_retry_after() -> None:
    """A crash that wrote nothing says when to try again."""
    body = orjson.dumps({"status": "application-crash", "data": None})
    assert classify(Answer(500, {"requirement-outcome": "none"}, body)).outcome == "violation"
