"""Check whether Mandrill's response accepts an e-mail for every recipient."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from service.mail.errors import MandrillRefused, MandrillResponseInvalid, RecipientsRefused

ACCEPTED = frozenset({"sent", "queued", "scheduled"})
OK = 200

# A status or an error name, such as Invalid_Key or hard-bounce. No other text of a response goes into a message.
_WORD = re.compile(r"[A-Za-z][A-Za-z_ -]{0,39}")


def check_response(code: int, body: bytes, recipients: Sequence[str]) -> None:
    """Raise a `MandrillError` unless the response accepts the e-mail for all `recipients`.

    https://mailchimp.com/developer/transactional/api/messages/send-new-message/ describes the response.
    """
    content = _parse(body)
    if code != OK:
        name = _word(content.get("name")) if isinstance(content, dict) else None
        raise MandrillRefused(f"Mandrill responded with {code}" + (f" {name}" if name else ""))
    if not isinstance(content, list) or not all(isinstance(result, dict) for result in content):
        raise MandrillResponseInvalid("Mandrill's response is not a list of recipients")
    refused = {_address(result): _reason(result) for result in content if str(result.get("status")) not in ACCEPTED}
    accepted = {_address(result) for result in content} - refused.keys()
    missing = [recipient for recipient in recipients if recipient.lower() not in accepted]
    if missing:
        reasons = sorted({refused.get(recipient.lower(), "not in the response") for recipient in missing})
        raise RecipientsRefused(
            f"Mandrill did not accept {len(missing)} of {len(recipients)} recipients: {', '.join(reasons)}",
            [recipient for recipient in recipients if recipient not in missing],
        )


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _address(result: Mapping[str, Any]) -> str:
    return str(result.get("email")).lower()


def _reason(result: Mapping[str, Any]) -> str:
    words = (_word(result.get("status")), _word(result.get("reject_reason")))
    return " ".join(filter(None, words)) or "no status"


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None
