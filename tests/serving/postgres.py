"""A PostgreSQL that tests stop, kill and pause while the service runs."""

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
    """A server in `folder`. It has the same URL after each start."""

    def __init__(self, folder: Path, settings: Mapping[str, str] = FAST, max_connections: int = 60) -> None:
        self.folder = folder
        self._settings = {**settings, "max_connections": str(max_connections)}
        self.url = ""
        self._stack = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Start it, also after a stop or a kill."""
        server = await self._stack.enter_async_context(run_embedded(self.folder, settings=self._settings))
        self.url = server.url

    async def stop(self) -> None:
        """Stop it in fast mode, which closes every connection."""
        await self._stack.aclose()

    async def kill(self) -> None:
        """Kill the postmaster with SIGKILL, and wait until its backends have exited."""
        pids = self._pids()
        os.kill(pids[0], signal.SIGKILL)
        await self._stack.aclose()
        await until(lambda: not any(map(alive, pids)))

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Suspend all its processes: connections stay open without responses."""
        pids = self._pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(pids):
                os.kill(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        """The pids of the postmaster and then of its children."""
        found = Postmaster.of(self.folder / "postgres")
        assert found
        return [found.pid, *(pid for pid, (parent, _) in processes().items() if parent == found.pid)]

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Open a connection to its database."""
        connection = await asyncpg.connect(self.url)
        try:
            yield connection
        finally:
            await connection.close()
