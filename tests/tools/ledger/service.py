"""Run the service from any source tree, with its log in a file and access to its processes."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.serving.process import REPOSITORY, environment
from tests.tools.benchmark.processes import free_port
from tests.tools.ledger.http_client import HttpClient, NoAnswerError, NotSentError
from tests.tools.ledger.outcomes import Answer

START_SECONDS = 30.0
STOP_SECONDS = 20.0
CONSECUTIVE_CHECKS = 8  # this many new connections very likely reach every worker


@dataclass
class Service:
    """A `serve` process. `tree` holds the package `service` that it runs."""

    folder: Path
    environ: Mapping[str, str]
    tree: Path = REPOSITORY
    workers_count: int = 2
    port: int = field(default_factory=free_port)
    console_port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """URL of the service."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def supervisor(self) -> int:
        """Process id of the supervisor."""
        return self._process.pid

    def workers(self) -> list[int]:
        """Process ids of the current workers."""
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.supervisor).children()
            return [child.pid for child in children if _is_worker(child)]
        return []

    async def start(self) -> None:
        """Start the service; return once it is ready."""
        settings = {"PYTHONPATH": str(self.tree), "LOG_LEVEL": "warning", **self._addresses, **self.environ}
        with (self.folder / "service.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "service", "serve"),
                cwd=self.folder,
                env=environment(settings),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        await self.wait_ready(START_SECONDS)

    @property
    def _addresses(self) -> dict[str, str]:
        return {
            "PORT": str(self.port),
            "REQUIREMENTS__CONSOLE__PORT": str(self.console_port),
            "WEB_CONCURRENCY": str(self.workers_count),
        }

    async def wait_ready(self, seconds: float) -> None:
        """Wait until all workers run and several new connections in a row find one that is ready."""
        deadline = time.monotonic() + seconds
        consecutive = 0
        while consecutive < CONSECUTIVE_CHECKS or len(self.workers()) < self.workers_count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the service is not ready after {seconds} s: see {self.folder / 'service.log'}")
            answer = await http_get(self.port, "/ready")
            consecutive = consecutive + 1 if answer and answer.code == 200 else 0
            if not consecutive:
                await asyncio.sleep(0.05)

    async def wait_replaced(self, workers: Collection[int], seconds: float = START_SECONDS) -> None:
        """Wait until none of these workers is left and the others are ready."""
        deadline = time.monotonic() + seconds
        while not set(workers).isdisjoint(self.workers()):
            if time.monotonic() > deadline:
                raise TimeoutError("workers did not exit after a rolling restart")
            await asyncio.sleep(0.05)
        await self.wait_ready(seconds)

    async def stop(self) -> None:
        """Stop the service with SIGTERM, then kill what is left of it."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.supervisor, 9)


def _is_worker(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE and "worker" in process.cmdline()
    return False


async def http_get(port: int, path: str, seconds: float = 5.0) -> Answer | None:
    """Send a GET on a new connection; return None if there is no answer."""
    with contextlib.suppress(NotSentError, NoAnswerError, TimeoutError):
        client = HttpClient("127.0.0.1", port, keep_alive=False)
        return await client.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), seconds)
    return None


@contextlib.asynccontextmanager
async def run_service(service: Service) -> AsyncIterator[Service]:
    """Run a service until the context ends."""
    try:
        await service.start()
        yield service
    finally:
        await service.stop()
