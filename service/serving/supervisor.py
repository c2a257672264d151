"""The process in charge: keeps the workers running, and ends them together."""

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import structlog

from service.config import Config

# A worker that ends before this is not started again at once, but after a pause that doubles.
HEALTHY_AFTER_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0

# What a worker gets beyond its own time to stop, before it is killed.
STOP_GRACE_SECONDS = 1.5

log = structlog.get_logger()


class Supervisor:
    """Keeps `config.server.workers` processes serving from one listening socket."""

    def __init__(self, config: Config, config_path: Path | None, listener: socket.socket, url: str) -> None:
        """Workers read their settings from `config_path` and the environment, and the database's address from `url`."""
        self._config = config
        self._config_path = config_path
        self._listener = listener
        self._url = url
        self._processes: set[asyncio.subprocess.Process] = set()

    async def run(self, stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
        """Serve until `stop` is set; `on_ready` is called once, when the first worker accepts requests."""
        with _lifeline() as lifeline:
            first_ready = asyncio.Event()
            slots = [
                asyncio.create_task(self._keep_worker(lifeline, first_ready))
                for _ in range(self._config.server.workers)
            ]
            ready = asyncio.create_task(_announce(first_ready, on_ready))
            await stop.wait()
            for task in (ready, *slots):
                task.cancel()
            await asyncio.gather(ready, *slots, return_exceptions=True)
            await self._stop_all()

    async def _keep_worker(self, lifeline: int, first_ready: asyncio.Event) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            started = time.monotonic()
            code = await self._run_worker(lifeline, first_ready)
            log.error("worker-ended", exit_code=code)
            if time.monotonic() - started > HEALTHY_AFTER_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _run_worker(self, lifeline: int, first_ready: asyncio.Event) -> int:
        """Start a worker and wait for its end; its exit code. Cancelled, it leaves the worker running."""
        ready_read, ready_write = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command(lifeline, ready_write),
                env=self._environ(os.environ),
                pass_fds=(self._listener.fileno(), lifeline, ready_write),
                # Ctrl-C is for the supervisor: it tells the workers.
                start_new_session=True,
            )
        finally:
            os.close(ready_write)
        self._processes.add(process)
        async with _readable(ready_read) as ready:
            ended = asyncio.create_task(process.wait())
            await asyncio.wait((ready, ended), return_when=asyncio.FIRST_COMPLETED)
            if os.read(ready_read, 1):
                log.info("worker-ready", worker=process.pid)
                first_ready.set()
        code = await ended
        self._processes.discard(process)
        return code

    def _command(self, lifeline: int, ready: int) -> list[str]:
        fds = [str(self._listener.fileno()), str(lifeline), str(ready)]
        path = [] if self._config_path is None else ["--config", str(self._config_path)]
        return [sys.executable, "-m", "service", *path, "worker", *fds]

    def _environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        # Not by argument: a command line is there for everyone to read, and the address may hold a password.
        return {**environ, "DATABASE_URL": self._url}

    async def _stop_all(self) -> None:
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        waiting = [asyncio.create_task(process.wait()) for process in self._processes]
        if not waiting:
            return
        await asyncio.wait(waiting, timeout=self._config.server.shutdown_seconds + STOP_GRACE_SECONDS)
        for process in self._processes:
            if process.returncode is None:
                log.warning("worker-killed", worker=process.pid)
                process.kill()
        await asyncio.wait(waiting)


@contextlib.contextmanager
def _lifeline() -> Iterator[int]:
    """A file descriptor for workers to read: it ends when this process does, however that happens."""
    read, write = os.pipe()
    try:
        yield read
    finally:
        os.close(read)
        os.close(write)


@contextlib.asynccontextmanager
async def _readable(fd: int) -> AsyncIterator["asyncio.Task[Literal[True]]"]:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(fd, readable.set)
    waiting = asyncio.create_task(readable.wait())
    try:
        yield waiting
    finally:
        waiting.cancel()
        loop.remove_reader(fd)
        os.close(fd)


async def _announce(first_ready: asyncio.Event, on_ready: Callable[[], None]) -> None:
    await first_ready.wait()
    on_ready()
