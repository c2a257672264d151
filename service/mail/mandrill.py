"""Handing one e-mail to Mandrill. https://mailchimp.com/developer/transactional/api/messages/ describes the call."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from service.config import MandrillConfig
from service.mail.errors import MandrillNonsense, MandrillTimeout, MandrillUnreachable, RecipientsRefused
from service.mail.response_parser import judge

# A recipient takes about 200 bytes of an answer.
MAX_ANSWER_BYTES = 256 * 1024

# Mandrill closes idle connections some time later: no e-mail is sent on one that is about to go.
KEEPALIVE_SECONDS = 10.0

USER_AGENT = "requirements-service"

Content = Mapping[str, Any]


class Mandrill:
    """One connection pool to one account. `connected` makes them."""

    def __init__(self, session: aiohttp.ClientSession, settings: MandrillConfig) -> None:
        self._session = session
        self._url = f"{settings.base_url.rstrip('/')}/messages/send"
        self._api_key = settings.api_key

    async def send(self, message: Content, recipients: Sequence[str], seconds: float) -> None:
        """Have `message` accepted for all `recipients` within `seconds`. Raises a `MandrillError`."""
        if not recipients:
            raise RecipientsRefused("there is nobody to send it to")
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


@asynccontextmanager
async def connected(settings: MandrillConfig) -> AsyncIterator[Mandrill]:
    """A client whose connections are shared by all e-mails of this process, closed at the end."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=settings.connections, keepalive_timeout=KEEPALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        # An answer in a content coding stays what it is: it could be small here and huge unpacked.
        auto_decompress=False,
        headers={"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": USER_AGENT},
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:
        yield Mandrill(session, settings)
