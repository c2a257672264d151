"""The stand-in for Mandrill, which can be switched off and on."""

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.mail import mandrill_server
from tests.mail.mandrill_server import Behaviour, MandrillServer, answering

RECIPIENT = "team@example.com"


class Mandrill:
    """A server that is always at the same address, when it is there at all."""

    def __init__(self) -> None:
        self._server = MandrillServer()
        self._stack = contextlib.AsyncExitStack()
        self._port = 0

    @property
    def environ(self) -> dict[str, str]:
        """What makes a service send its e-mails here."""
        return {
            "REQUIREMENTS__MANDRILL__API_KEY": "md-ledger",
            "REQUIREMENTS__MANDRILL__RECIPIENTS": RECIPIENT,
            "REQUIREMENTS__MANDRILL__SENDER": "requirements@example.com",
            "REQUIREMENTS__MANDRILL__BASE_URL": self._server.url,
            "REQUIREMENTS__MANDRILL__TIMEOUT_SECONDS": "1",
        }

    async def start(self) -> None:
        """Accept e-mails, from now on at the address of before."""
        await self._stack.enter_async_context(mandrill_server.running(self._server, self._port))
        self._port = urlsplit(self._server.url).port or 0

    async def stop(self) -> None:
        """Refuse connections."""
        await self._stack.aclose()

    @contextlib.contextmanager
    def behaving(self, behaviour: Behaviour) -> Iterator[None]:
        """Behave otherwise meanwhile; what was sent is forgotten, since nobody asks for it."""
        self._server.behaviour = behaviour
        try:
            yield
        finally:
            self._server.behaviour = answering("sent")
            self._server.requests.clear()
            self._server.accepted.clear()
