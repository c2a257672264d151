"""Checks of Mandrill's responses."""

import json
from typing import Any

import pytest

from service.mail.errors import MandrillError, MandrillRefused, MandrillResponseInvalid, RecipientsRefused
from service.mail.response_parser import check_response

A, B = "ann@example.com", "Bob@example.com"


def result(email: object, status: object, reason: object = None) -> dict[str, object]:
    """Mandrill's result for one recipient."""
    return {"email": email, "status": status, "reject_reason": reason}


def response(*results: object) -> bytes:
    """A response body that is a list of results."""
    return json.dumps(results).encode()


@pytest.mark.parametrize("status", ["sent", "queued", "scheduled"])
def test_accepted_for_everyone(status: str) -> None:
    """Three statuses accept a recipient; addresses are compared without case."""
    check_response(
        200, response(result(A.upper(), status), result(B, "sent"), result("other@example.com", "rejected")), [A, B]
    )


FAULTS: list[tuple[str, int, Any, type[MandrillError], str, list[str]]] = [
    ("rejected", 200, [result(A, "sent"), result(B, "rejected", "hard-bounce")], RecipientsRefused,
     "Mandrill did not accept 1 of 2 recipients: rejected hard-bounce", [A]),
    ("invalid", 200, [result(A, "invalid"), result(B, "sent")], RecipientsRefused,
     "Mandrill did not accept 1 of 2 recipients: invalid", [B]),
    ("all rejected", 200, [result(A, "rejected", "spam"), result(B, "invalid")], RecipientsRefused,
     "Mandrill did not accept 2 of 2 recipients: invalid, rejected spam", []),
    ("one missing", 200, [result(A, "sent")], RecipientsRefused,
     "Mandrill did not accept 1 of 2 recipients: not in the response", [A]),
    ("no recipients", 200, [], RecipientsRefused, "Mandrill did not accept 2 of 2 recipients: not in the response", []),
    ("both words for one", 200, [result(A, "sent"), result(A, "rejected"), result(B, "sent")], RecipientsRefused,
     "Mandrill did not accept 1 of 2 recipients: rejected", [B]),
    ("odd statuses", 200, [result(A, ["sent"]), result(B, None)], RecipientsRefused,
     "Mandrill did not accept 2 of 2 recipients: no status", []),
    ("odd words", 200, [result(A, "<b>\nrejected"), result(B, "sent")], RecipientsRefused,
     "Mandrill did not accept 1 of 2 recipients: no status", [B]),
    ("an error", 500, {"status": "error", "code": -1, "name": "Invalid_Key", "message": "secret"}, MandrillRefused,
     "Mandrill responded with 500 Invalid_Key", []),
    ("an odd name", 500, {"name": "x\r\ny"}, MandrillRefused, "Mandrill responded with 500", []),
    ("accepting words, another code", 202, [result(A, "sent"), result(B, "sent")], MandrillRefused,
     "Mandrill responded with 202", []),
    ("an error with 200", 200, {"status": "error"}, MandrillResponseInvalid,
     "Mandrill's response is not a list of recipients", []),
    ("a list of others", 200, ["sent", "sent"], MandrillResponseInvalid,
     "Mandrill's response is not a list of recipients", []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "content", "kind", "reason", "accepted"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS]
)
def test_faults(code: int, content: object, kind: type[MandrillError], reason: str, accepted: list[str]) -> None:
    """A response that does not accept everyone raises an error that repeats only statuses and error names."""
    with pytest.raises(kind) as caught:
        check_response(code, json.dumps(content).encode(), [A, B])
    assert (str(caught.value), list(caught.value.accepted)) == (reason, accepted)


@pytest.mark.parametrize("body", [b"", b"null", b"sent", b"<html>", b"[" * 100_000, b"\xff\xfe", b"[{]"])
def test_a_response_that_is_not_a_list(body: bytes) -> None:
    """A body that is not JSON, or is not a list, is invalid."""
    with pytest.raises(MandrillResponseInvalid):
        check_response(200, body, [A, B])
