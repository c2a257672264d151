"""The service as it is deployed, on a database of its own that holds the world of the model."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from tests.databases import connected, new_database
from tests.factories import Records
from tests.serving.process import Serve, serving
from tests.tools.inputs.world import World, populate

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
    """A running service, what its database holds, and a connection to it."""

    serve: Serve
    world: World
    connection: asyncpg.Connection

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.serve.url).port or 0

    def disorder(self) -> list[str]:
        """Lines of its output that no caller's fault can explain."""
        broken = [line for line in (*self.serve.output, *self.serve.errors) if not line.startswith("{")]
        return broken + [str(line) for line in self.serve.events if line["level"] not in ("info", "warning")]


@contextlib.asynccontextmanager
async def deployed(server_url: str, template: str, folder: Path) -> AsyncIterator[Deployed]:
    """The service, served from `folder`, on a clone of `template`."""
    async with new_database(server_url, template) as url, connected(url) as connection:
        world = await populate(Records(connection))
        async with serving(folder, environ={"DATABASE_URL": url, **SETTINGS}) as serve:
            yield Deployed(serve, world, connection)
