"""The system under test: what a fault can act on."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random

import asyncpg

from tests.proxy import Proxy
from tests.serving.postgres import Postgres
from tests.tools.ledger.history import History
from tests.tools.ledger.infrastructure import Infrastructure
from tests.tools.ledger.load import Load
from tests.tools.ledger.mandrill import Mandrill
from tests.tools.ledger.service import Service


@dataclass
class SystemUnderTest:
    """A service under load, with its infrastructure. Only the service connects to PostgreSQL through the proxy."""

    infrastructure: Infrastructure
    service: Service
    load: Load
    random: Random = field(default_factory=Random)

    @property
    def postgres(self) -> Postgres:
        """The database server."""
        return self.infrastructure.postgres

    @property
    def proxy(self) -> Proxy:
        """The proxy between the service and PostgreSQL."""
        return self.infrastructure.proxy

    @property
    def mandrill(self) -> Mandrill:
        """The fake Mandrill."""
        return self.infrastructure.mandrill

    @property
    def history(self) -> History:
        """The log of requests and results."""
        return self.infrastructure.history

    @property
    def thorough(self) -> bool:
        """Whether this is a long run, with larger faults."""
        return self.infrastructure.thorough

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Open a connection outside the service; it may break before the context ends."""
        connection = await asyncpg.connect(self.postgres.url, timeout=10, command_timeout=60)
        try:
            yield connection
        finally:
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await connection.close(timeout=5)

    async def execute(self, *statements: str) -> None:
        """Execute statements outside the service, each in its own transaction."""
        async with self.connection() as connection:
            for statement in statements:
                await connection.execute(statement)
