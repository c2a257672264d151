"""What Mandrill answers, judged: an e-mail is accepted for every recipient, or there is a fault that says why not."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from service.mail.errors import MandrillNonsense, MandrillRefused, RecipientsRefused

ACCEPTED = frozenset({"sent", "queued", "scheduled"})
OK = 200

# Such as Invalid_Key or hard-bounce: nothing else of an answer is repeated.
_WORD = re.compile(r"[A-Za-z][A-Za-z_ -]{0,39}")


def judge(code: int, answer: bytes, recipients: Sequence[str]) -> None:
    """Raise the `MandrillError` that an answer amounts to, unless it accepts the e-mail for all `recipients`."""
    content = _parse(answer)
    if code != OK:
        name = _word(content.get("name")) if isinstance(content, dict) else None
        raise MandrillRefused(f"Mandrill answered with {code}" + (f" {name}" if name else ""))
    if not isinstance(content, list) or not all(isinstance(verdict, dict) for verdict in content):
        raise MandrillNonsense("Mandrill's answer is no list of recipients")
    refused = {_address(verdict): _why(verdict) for verdict in content if str(verdict.get("status")) not in ACCEPTED}
    accepted = {_address(verdict) for verdict in content} - refused.keys()
    missed = [recipient for recipient in recipients if recipient.lower() not in accepted]
    if missed:
        reasons = sorted({refused.get(recipient.lower(), "not answered for") for recipient in missed})
        raise RecipientsRefused(
            f"Mandrill did not accept {len(missed)} of {len(recipients)} recipients: {', '.join(reasons)}",
            [recipient for recipient in recipients if recipient not in missed],
        )


def _parse(answer: bytes) -> Any:
    try:
        return orjson.loads(answer)
    except orjson.JSONDecodeError:
        return None


def _address(verdict: Mapping[str, Any]) -> str:
    return str(verdict.get("email")).lower()


def _why(verdict: Mapping[str, Any]) -> str:
    words = (_word(verdict.get("status")), _word(verdict.get("reject_reason")))
    return " ".join(filter(None, words)) or "no status"


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None
