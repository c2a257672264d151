"""Handing one e-mail to Mandrill, and judging its answer.

https://mailchimp.com/developer/transactional/api/messages/
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from service.config import Mandrill as Settings

ACCEPTED = frozenset({"sent", "queued", "scheduled"})

# A recipient takes about 200 bytes of an answer.
MAX_ANSWER_BYTES = 256 * 1024

# Mandrill closes idle connections some time later: no e-mail is sent on one that is about to go.
KEEPALIVE_SECONDS = 10.0

OK = 200

# Such as Invalid_Key or hard-bounce: nothing else of an answer is repeated.
_WORD = re.compile(r"[A-Za-z][A-Za-z_ -]{0,39}")

Content = Mapping[str, Any]


class MandrillError(Exception):
    """The e-mail was not accepted for every recipient. The message is a few words of ours that say why."""

    def __init__(self, reason: str, accepted: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.accepted = accepted


class MandrillUnreachable(MandrillError):
    """No answer came: the connection was refused, or failed."""


class MandrillTimeout(MandrillError):
    """No whole answer came in time."""


class MandrillRefused(MandrillError):
    """It answered with another code than 200; redirects are not followed."""


class MandrillNonsense(MandrillError):
    """It answered with what is no list of recipients."""


class RecipientsRefused(MandrillError):
    """It accepted the e-mail for some recipients at the most."""


class Mandrill:
    """One connection pool to one account. `connected` makes them."""

    def __init__(self, session: aiohttp.ClientSession, settings: Settings) -> None:
        self._session = session
        self._url = f"{settings.base_url.rstrip('/')}/messages/send"
        self._api_key = settings.api_key

    async def send(self, message: Content, recipients: Sequence[str], seconds: float) -> None:
        """Have `message` accepted for all `recipients` within `seconds`. Raises a `MandrillError`."""
        to = [{"email": recipient, "type": "to"} for recipient in recipients]
        body = orjson.dumps({"key": self._api_key, "message": {**message, "to": to}, "async": False})
        try:
            # A free connection, the connection itself and the answer, however slowly it drips: all within this.
            async with asyncio.timeout(seconds):
                code, answer = await self._post(body)
        except TimeoutError:
            raise MandrillTimeout("Mandrill did not answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise MandrillUnreachable(f"Mandrill could not be reached: {type(error).__name__}") from error
        judge(code, answer, recipients)

    async def _post(self, body: bytes) -> tuple[int, bytes]:
        async with self._session.post(self._url, data=body, allow_redirects=False) as response:
            answer = bytearray()
            async for chunk in response.content.iter_any():
                answer += chunk
                if len(answer) > MAX_ANSWER_BYTES:
                    raise MandrillNonsense("Mandrill's answer is too long")
            return response.status, bytes(answer)


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


def _address(verdict: Content) -> str:
    return str(verdict.get("email")).lower()


def _why(verdict: Content) -> str:
    words = (_word(verdict.get("status")), _word(verdict.get("reject_reason")))
    return " ".join(filter(None, words)) or "no status"


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Mandrill]:
    """A client whose connections are shared by all e-mails of this process, closed at the end."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=settings.connections, keepalive_timeout=KEEPALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        # An answer in a content coding stays what it is: it could be small here and huge unpacked.
        auto_decompress=False,
        headers={
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "requirements-service",
        },
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:
        yield Mandrill(session, settings)
