"""A fake Mandrill that can be stopped and started."""

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.mail import mandrill_server
from tests.mail.mandrill_server import Behaviour, MandrillServer, answering

RECIPIENT = "team@example.com"


class Mandrill:
    """A server that keeps its address over restarts."""

    def __init__(self) -> None:
        self._server = MandrillServer()
        self._stack = contextlib.AsyncExitStack()
        self._port = 0

    @property
    def environ(self) -> dict[str, str]:
        """Environment variables that make a service send its e-mails to this server."""
        return {
            "REQUIREMENTS__MANDRILL__API_KEY": "md-ledger",
            "REQUIREMENTS__MANDRILL__RECIPIENTS": RECIPIENT,
            "REQUIREMENTS__MANDRILL__SENDER": "requirements@example.com",
            "REQUIREMENTS__MANDRILL__BASE_URL": self._server.url,
            "REQUIREMENTS__MANDRILL__TIMEOUT_SECONDS": "1",
        }

    async def start(self) -> None:
        """Accept e-mails, at the previous address if there is one."""
        await self._stack.enter_async_context(mandrill_server.running(self._server, self._port))
        self._port = urlsplit(self._server.url).port or 0

    async def stop(self) -> None:
        """Refuse connections."""
        await self._stack.aclose()

    @contextlib.contextmanager
    def behaving(self, behaviour: Behaviour) -> Iterator[None]:
        """Use `behaviour` until the context ends, then discard the received e-mails to save memory."""
        self._server.behaviour = behaviour
        try:
            yield
        finally:
            self._server.behaviour = answering("sent")
            self._server.requests.clear()
            self._server.accepted.clear()
