"""Run the service in a process of its own, on a new database with the state the model knows."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from tests.databases import connected, new_database
from tests.factories import Records
from tests.serving.process import Serve, serving
from tests.tools.inputs.database_state import DatabaseState, populate

MAX_BODY_BYTES = 128 * 1024
SETTINGS = {
    "WEB_CONCURRENCY": "1",
    "LOG_LEVEL": "info",
    "REQUIREMENTS__LOGGING__FORMAT": "json",
    "REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false",
    "REQUIREMENTS__SERVER__MAX_BODY_BYTES": str(MAX_BODY_BYTES),
}


@dataclass(frozen=True)
class Deployed:
    """A running service, the state of its database, and a connection to it."""

    serve: Serve
    state: DatabaseState
    connection: asyncpg.Connection

    @property
    def port(self) -> int:
        """The port of the service."""
        return urlsplit(self.serve.url).port or 0

    def unexpected_output(self) -> list[str]:
        """Return the lines of output that no request can cause."""
        broken = [line for line in (*self.serve.output, *self.serve.errors) if not line.startswith("{")]
        return broken + [str(line) for line in self.serve.events if line["level"] not in ("info", "warning")]


@contextlib.asynccontextmanager
async def deployed(server_url: str, template: str, folder: Path) -> AsyncIterator[Deployed]:
    """Run the service from `folder` on a clone of the database `template`."""
    async with new_database(server_url, template) as url, connected(url) as connection:
        state = await populate(Records(connection))
        async with serving(folder, environ={"DATABASE_URL": url, **SETTINGS}) as serve:
            yield Deployed(serve, state, connection)
