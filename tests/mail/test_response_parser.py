"""Judging what Mandrill answers."""

import json
from typing import Any

import pytest

from service.mail.errors import MandrillError, MandrillNonsense, MandrillRefused, RecipientsRefused
from service.mail.response_parser import judge

A, B = "ann@example.com", "Bob@example.com"


def verdict(email: object, status: object, reason: object = None) -> dict[str, object]:
    """What Mandrill says of one recipient."""
    return {"email": email, "status": status, "reject_reason": reason}


def answer(*verdicts: object) -> bytes:
    """An answer that is a list."""
    return json.dumps(verdicts).encode()


@pytest.mark.parametrize("status", ["sent", "queued", "scheduled"])
def test_accepted_for_everyone(status: str) -> None:
    """Each of the three words accepts; the case of an address is Mandrill's to choose."""
    judge(200, answer(verdict(A.upper(), status), verdict(B, "sent"), verdict("other@example.com", "rejected")), [A, B])


FAULTS: list[tuple[str, int, Any, type[MandrillError], str, list[str]]] = [
    ("rejected", 200, [verdict(A, "sent"), verdict(B, "rejected", "hard-bounce")], RecipientsRefused,
     "Mandrill did not accept 1 of 2 recipients: rejected hard-bounce", [A]),
    ("invalid", 200, [verdict(A, "invalid"), verdict(B, "sent")], RecipientsRefused,
     "Mandrill did not accept 1 of 2 recipients: invalid", [B]),
    ("all rejected", 200, [verdict(A, "rejected", "spam"), verdict(B, "invalid")], RecipientsRefused,
     "Mandrill did not accept 2 of 2 recipients: invalid, rejected spam", []),
    ("one missing", 200, [verdict(A, "sent")], RecipientsRefused,
     "Mandrill did not accept 1 of 2 recipients: not answered for", [A]),
    ("nobody", 200, [], RecipientsRefused, "Mandrill did not accept 2 of 2 recipients: not answered for", []),
    ("both words for one", 200, [verdict(A, "sent"), verdict(A, "rejected"), verdict(B, "sent")], RecipientsRefused,
     "Mandrill did not accept 1 of 2 recipients: rejected", [B]),
    ("odd statuses", 200, [verdict(A, ["sent"]), verdict(B, None)], RecipientsRefused,
     "Mandrill did not accept 2 of 2 recipients: no status", []),
    ("odd words", 200, [verdict(A, "<b>\nrejected"), verdict(B, "sent")], RecipientsRefused,
     "Mandrill did not accept 1 of 2 recipients: no status", [B]),
    ("an error", 500, {"status": "error", "code": -1, "name": "Invalid_Key", "message": "secret"}, MandrillRefused,
     "Mandrill answered with 500 Invalid_Key", []),
    ("an odd name", 500, {"name": "x\r\ny"}, MandrillRefused, "Mandrill answered with 500", []),
    ("accepting words, another code", 202, [verdict(A, "sent"), verdict(B, "sent")], MandrillRefused,
     "Mandrill answered with 202", []),
    ("an error with 200", 200, {"status": "error"}, MandrillNonsense,
     "Mandrill's answer is no list of recipients", []),
    ("a list of others", 200, ["sent", "sent"], MandrillNonsense, "Mandrill's answer is no list of recipients", []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "content", "kind", "reason", "accepted"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS]
)
def test_faults(code: int, content: object, kind: type[MandrillError], reason: str, accepted: list[str]) -> None:
    """Whatever does not accept the e-mail for all is a fault, which tells who accepted and repeats only known words."""
    with pytest.raises(kind) as caught:
        judge(code, json.dumps(content).encode(), [A, B])
    assert (str(caught.value), list(caught.value.accepted)) == (reason, accepted)


@pytest.mark.parametrize("body", [b"", b"null", b"sent", b"<html>", b"[" * 100_000, b"\xff\xfe", b"[{]"])
def test_what_is_no_json_is_nonsense(body: bytes) -> None:
    """Anything may come back."""
    with pytest.raises(MandrillNonsense):
        judge(200, body, [A, B])
