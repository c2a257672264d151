"""The process in charge: keeps the workers running, and ends them together."""

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import structlog

from service.config import Config
from service.metrics.files import forget, metrics_folder, write_as
from service.metrics.recorded import ProcessMetrics
from service.serving.listener import PortTakenError, listen, url_of
from service.settings import ConfigError

# A worker that ends before this is not started again at once, but after a pause that doubles.
HEALTHY_AFTER_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0

# How often it is tried to have the internal listener's port.
PORT_PAUSE_SECONDS = 2.0

# What a worker gets beyond its own time to stop, before it is killed.
STOP_GRACE_SECONDS = 5.0

log = structlog.get_logger()


class Supervisor:
    """Keeps `config.server.workers` processes serving from one listening socket, and one the internal listener."""

    def __init__(self, config: Config, config_path: Path | None, listener: socket.socket, url: str) -> None:
        """Workers read their settings from `config_path` and the environment, and the database's address from `url`."""
        self._config = config
        self._config_path = config_path
        self._listener = listener
        self._url = url
        self._processes: set[asyncio.subprocess.Process] = set()

    async def run(self, stop: asyncio.Event, on_ready: Callable[[], None], on_console: Callable[[str], None]) -> None:
        """Serve until `stop` is set.

        `on_ready` is called once, when the first worker accepts requests, and `on_console` with the internal
        listener's address once that can be had.
        """
        with _lifeline() as lifeline, metrics_folder():
            write_as("supervisor")
            metrics = ProcessMetrics()
            first_ready = asyncio.Event()
            tasks = [
                asyncio.create_task(_announce(first_ready, on_ready)),
                asyncio.create_task(self._keep_console(metrics, lifeline, on_console)),
                *(
                    asyncio.create_task(self._keep_worker(metrics, str(number), lifeline, first_ready))
                    for number in range(self._config.server.workers)
                ),
            ]
            await stop.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._stop_all()

    async def _keep_worker(self, metrics: ProcessMetrics, name: str, lifeline: int, first_ready: asyncio.Event) -> None:
        async def run() -> int:
            code = await self._run_worker(metrics, name, lifeline, first_ready)
            forget(name)
            return code

        await _keep("worker", run, metrics)

    async def _keep_console(self, metrics: ProcessMetrics, lifeline: int, on_console: Callable[[str], None]) -> None:
        settings = self._config.console
        with await _free_listener(settings.host, settings.port) as listener:
            on_console(url_of(listener))

            async def run() -> int:
                process = await self._start(("console", listener.fileno(), lifeline), (listener.fileno(), lifeline))
                return await self._ended(process)

            await _keep("console", run, metrics)

    async def _run_worker(self, metrics: ProcessMetrics, name: str, lifeline: int, first_ready: asyncio.Event) -> int:
        """Start a worker and wait for its end; its exit code. Cancelled, it leaves the worker running."""
        ready_read, ready_write = os.pipe()
        fds = (self._listener.fileno(), lifeline, ready_write)
        try:
            process = await self._start(("worker", *fds, name), fds)
        finally:
            os.close(ready_write)
        async with _readable(ready_read) as ready:
            ended = asyncio.create_task(self._ended(process))
            await asyncio.wait((ready, ended), return_when=asyncio.FIRST_COMPLETED)
            if not os.read(ready_read, 1):
                return await ended
        log.info("worker-ready", worker=process.pid)
        first_ready.set()
        with metrics.worker_serving():
            return await ended

    async def _start(self, command: Sequence[object], fds: tuple[int, ...]) -> asyncio.subprocess.Process:
        path = [] if self._config_path is None else ["--config", str(self._config_path)]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service", *path, *map(str, command)),
            env=self._environ(os.environ),
            pass_fds=fds,
            # Ctrl-C is for the supervisor: it tells the others.
            start_new_session=True,
        )
        self._processes.add(process)
        return process

    async def _ended(self, process: asyncio.subprocess.Process) -> int:
        code = await process.wait()
        self._processes.discard(process)
        return code

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


async def _keep(kind: str, run: Callable[[], Awaitable[int]], metrics: ProcessMetrics) -> None:
    """Have a process run to its end, which `run` does and gives its exit code, again and again."""
    pause = FIRST_PAUSE_SECONDS
    event = f"{kind}-ended"
    while True:
        started = time.monotonic()
        code = await run()
        log.error(event, exit_code=code)
        if time.monotonic() - started > HEALTHY_AFTER_SECONDS:
            pause = FIRST_PAUSE_SECONDS
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        metrics.restarted(kind)


async def _free_listener(host: str, port: int) -> socket.socket:
    """The internal listener's socket, as soon as it can be had: the API does not wait for it."""
    told = False
    while True:
        try:
            listener = listen(host, port, "console.port")
        except (PortTakenError, ConfigError) as error:
            if not told:
                consequence = "serving without the console and the metrics until it can be had"
                log.warning("console-unavailable", reason=str(error), consequence=consequence)
            told = True
            await asyncio.sleep(PORT_PAUSE_SECONDS)
        else:
            return listener


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
