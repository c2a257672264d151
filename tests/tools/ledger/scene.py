"""What there is to break: the service, what it stands on, and who calls it."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random

import asyncpg

from tests.proxy import Proxy
from tests.serving.postgres import Postgres
from tests.tools.ledger.backdrop import Backdrop
from tests.tools.ledger.history import History
from tests.tools.ledger.load import Load
from tests.tools.ledger.mandrill import Mandrill
from tests.tools.ledger.service import Service


@dataclass
class Scene:
    """A service before its backdrop, under load. It reaches PostgreSQL by way of the proxy; we go straight to it."""

    backdrop: Backdrop
    service: Service
    load: Load
    random: Random = field(default_factory=Random)

    @property
    def postgres(self) -> Postgres:
        """The database server."""
        return self.backdrop.postgres

    @property
    def proxy(self) -> Proxy:
        """The service's way there."""
        return self.backdrop.proxy

    @property
    def mandrill(self) -> Mandrill:
        """Where e-mails go."""
        return self.backdrop.mandrill

    @property
    def history(self) -> History:
        """What was sent and seen."""
        return self.backdrop.history

    @property
    def thorough(self) -> bool:
        """Whether this is a long run: then there is more of everything."""
        return self.backdrop.thorough

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection as some other process has one; it may be gone at the end."""
        connection = await asyncpg.connect(self.postgres.url, timeout=10, command_timeout=60)
        try:
            yield connection
        finally:
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await connection.close(timeout=5)

    async def execute(self, *statements: str) -> None:
        """Run statements as some other process does, each on its own."""
        async with self.connection() as connection:
            for statement in statements:
                await connection.execute(statement)
