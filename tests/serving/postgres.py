"""A PostgreSQL of the test's own, to be stopped, killed and paused under a running service."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import asyncpg

from service.embedded_postgres.data_folder import Postmaster
from service.embedded_postgres.server import run_embedded
from tests.conftest import FAST
from tests.serving.process import alive, processes, until


class Postgres:
    """A server in `folder`: whatever happens to it, it comes back at the same address."""

    def __init__(self, folder: Path, settings: Mapping[str, str] = FAST) -> None:
        self.folder = folder
        self._settings = {**settings, "max_connections": "60"}
        self.url = ""
        self._stack = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Run it, after a stop or a kill."""
        server = await self._stack.enter_async_context(run_embedded(self.folder, settings=self._settings))
        self.url = server.url

    async def stop(self) -> None:
        """Stop it as an operator does: fast, ending every connection."""
        await self._stack.aclose()

    async def kill(self) -> None:
        """End the postmaster at once; its backends notice by themselves."""
        pids = self._pids()
        os.kill(pids[0], signal.SIGKILL)
        await self._stack.aclose()
        await until(lambda: not any(map(alive, pids)))

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing of it moves: connections stay open, nobody answers."""
        pids = self._pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(pids):
                os.kill(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        """The postmaster's first, then those of all its children."""
        found = Postmaster.of(self.folder / "postgres")
        assert found
        return [found.pid, *(pid for pid, (parent, _) in processes().items() if parent == found.pid)]

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection to its database."""
        connection = await asyncpg.connect(self.url)
        try:
            yield connection
        finally:
            await connection.close()
