"""Client of Mandrill's API. https://mailchimp.com/developer/transactional/api/messages/ describes it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from service.config import MandrillConfig
from service.mail.errors import MandrillResponseInvalid, MandrillTimeout, MandrillUnreachable, RecipientsRefused
from service.mail.response_parser import check_response

# The response takes about 200 bytes per recipient.
MAX_RESPONSE_BYTES = 256 * 1024

# Shorter than Mandrill's own timeout, so that no e-mail is sent on a connection that Mandrill is about to close.
KEEPALIVE_SECONDS = 10.0

USER_AGENT = "requirements-service"

Content = Mapping[str, Any]


class Mandrill:
    """Sends e-mails from one Mandrill account. `open_mandrill` creates it."""

    def __init__(self, session: aiohttp.ClientSession, settings: MandrillConfig) -> None:
        self._session = session
        self._url = f"{settings.base_url.rstrip('/')}/messages/send"
        self._api_key = settings.api_key

    async def send(self, message: Content, recipients: Sequence[str], seconds: float) -> None:
        """Send `message` to all `recipients`. Raises a `MandrillError` unless it is accepted within `seconds`."""
        if not recipients:
            raise RecipientsRefused("the e-mail has no recipients")
        to = [{"email": recipient, "type": "to"} for recipient in recipients]
        body = orjson.dumps({"key": self._api_key, "message": {**message, "to": to}, "async": False})
        try:
            # Covers waiting for a free connection, connecting, and reading a response that arrives slowly.
            async with asyncio.timeout(seconds):
                code, response = await self._post(body)
        except TimeoutError:
            raise MandrillTimeout("Mandrill did not respond in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise MandrillUnreachable(f"Mandrill could not be reached: {type(error).__name__}") from error
        check_response(code, response, recipients)

    async def _post(self, body: bytes) -> tuple[int, bytes]:
        async with self._session.post(self._url, data=body, allow_redirects=False) as response:
            content = bytearray()
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > MAX_RESPONSE_BYTES:
                    raise MandrillResponseInvalid("Mandrill's response is too long")
            return response.status, bytes(content)


@asynccontextmanager
async def open_mandrill(settings: MandrillConfig) -> AsyncIterator[Mandrill]:
    """Open a client with one connection pool for all e-mails of this process. Close it at the end."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=settings.connections, keepalive_timeout=KEEPALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        # A small compressed response could be huge once decompressed.
        auto_decompress=False,
        headers={"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": USER_AGENT},
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:
        yield Mandrill(session, settings)
