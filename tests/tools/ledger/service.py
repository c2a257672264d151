"""The service under load: a real `serve` of any code tree, its log in a file, its workers in sight."""

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
from tests.tools.ledger.outcomes import Answer
from tests.tools.ledger.wire import NoAnswerError, NotSentError, Wire

START_SECONDS = 30.0
STOP_SECONDS = 20.0
IN_A_ROW = 8  # so many fresh connections one after another meet every worker, in all likelihood


@dataclass
class Service:
    """One `serve`, stopped and started by whoever has it; `tree` holds the package `service` that it runs."""

    folder: Path
    environ: Mapping[str, str]
    tree: Path = REPOSITORY
    workers_count: int = 2
    port: int = field(default_factory=free_port)
    console_port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def supervisor(self) -> int:
        """The pid of its first process."""
        return self._process.pid

    def workers(self) -> list[int]:
        """The pids of the workers that run now."""
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.supervisor).children()
            return [child.pid for child in children if _is_worker(child)]
        return []

    async def start(self) -> None:
        """Run it, and return once it is ready."""
        with (self.folder / "service.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "service", "serve"),
                cwd=self.folder,
                env=environment({"PYTHONPATH": str(self.tree), "LOG_LEVEL": "warning", **self._places, **self.environ}),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        await self.becomes_ready(START_SECONDS)

    @property
    def _places(self) -> dict[str, str]:
        return {
            "PORT": str(self.port),
            "REQUIREMENTS__CONSOLE__PORT": str(self.console_port),
            "WEB_CONCURRENCY": str(self.workers_count),
        }

    async def becomes_ready(self, seconds: float) -> None:
        """Wait until all workers are there, and fresh connections find one that is ready, again and again."""
        deadline = time.monotonic() + seconds
        in_a_row = 0
        while in_a_row < IN_A_ROW or len(self.workers()) < self.workers_count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the service is not ready after {seconds} s: see {self.folder / 'service.log'}")
            answer = await ask(self.port, "/ready")
            in_a_row = in_a_row + 1 if answer and answer.code == 200 else 0
            if not in_a_row:
                await asyncio.sleep(0.05)

    async def replaced(self, workers: Collection[int], seconds: float = START_SECONDS) -> None:
        """Wait until none of these workers is left, and the others are ready."""
        deadline = time.monotonic() + seconds
        while not set(workers).isdisjoint(self.workers()):
            if time.monotonic() > deadline:
                raise TimeoutError("a rolling restart left workers behind")
            await asyncio.sleep(0.05)
        await self.becomes_ready(seconds)

    async def stop(self) -> None:
        """Stop it as an operator does."""
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


async def ask(port: int, path: str, seconds: float = 5.0) -> Answer | None:
    """The answer to a GET over a connection of its own, None where there is none."""
    with contextlib.suppress(NotSentError, NoAnswerError, TimeoutError):
        wire = Wire("127.0.0.1", port, keep=False)
        return await wire.ask(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), seconds)
    return None


@contextlib.asynccontextmanager
async def running(service: Service) -> AsyncIterator[Service]:
    """A service, started and at the end stopped."""
    try:
        await service.start()
        yield service
    finally:
        await service.stop()
