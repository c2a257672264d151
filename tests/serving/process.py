"""The service as a real process: tests start it, read its log, send signals, and wait for its exit."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from service.config.loader import PREFIX
from service.config.settings import SHORT_NAMES

REPOSITORY = Path(__file__).parents[2]
PATIENCE_SECONDS = 20.0

# Free ports, and a short drain.
ANYWHERE = {"PORT": "0", "REQUIREMENTS__CONSOLE__PORT": "0", "REQUIREMENTS__SERVER__DRAIN_SECONDS": "0.2"}

Line = dict[str, Any]


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of the tests without settings of the service, with `changes`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.removesuffix("_FILE") not in SHORT_NAMES and not name.startswith((PREFIX, "PG"))
    }
    return kept | {"PYTHONPATH": str(REPOSITORY)} | dict(changes or {})


def processes() -> dict[int, tuple[int, str]]:
    """Map the pid of every process to its parent's pid and its state."""
    running = psutil.process_iter(["ppid", "status"])
    return {process.pid: (process.info["ppid"], process.info["status"]) for process in running}


def alive(pid: int) -> bool:
    """Whether a process is running. A zombie is not."""
    _, state = processes().get(pid, (0, psutil.STATUS_ZOMBIE))
    return bool(state != psutil.STATUS_ZOMBIE)


async def until(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until `condition()` is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timeout"
        await asyncio.sleep(0.02)


class Serve:
    """A running `serve`, started by `started` or `serving`."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.pid = process.pid
        self.output: list[str] = []
        self.errors: list[str] = []
        self._changed = asyncio.Condition()
        self._reading = asyncio.gather(self._read(process.stdout, self.output), self._read(process.stderr, self.errors))
        self.url = ""

    async def _read(self, stream: asyncio.StreamReader | None, lines: list[str]) -> None:
        assert stream
        while line := await stream.readline():
            async with self._changed:
                lines.append(line.decode().rstrip("\n"))
                self._changed.notify_all()

    @property
    def events(self) -> list[Line]:
        """The log lines so far."""
        return [json.loads(line) for line in self.output if line.startswith("{")]

    async def event(self, name: str, count: int = 1, seconds: float = PATIENCE_SECONDS) -> list[Line]:
        """Wait until there are `count` log lines with the event `name`. Returns them."""
        found: list[Line] = []

        def logged() -> bool:
            found[:] = [line for line in self.events if line["event"] == name]
            return len(found) >= count

        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(logged)
        return found

    async def line(self, start: str) -> str:
        """Wait for a line of output with this start. Returns the first."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._changed:
            await self._changed.wait_for(lambda: any(line.startswith(start) for line in self.output))
        return next(line for line in self.output if line.startswith(start))

    async def workers(self, count: int = 2) -> list[int]:
        """Wait until `count` workers have become ready since the start. Returns the pids of all of them."""
        return [line["worker"] for line in await self.event("worker-ready", count)]

    @contextlib.contextmanager
    def only(self, worker: int, workers: Collection[int]) -> Iterator[None]:
        """Suspend the other workers, so that this one handles every request."""
        others = set(workers) - {worker}
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)

    async def ended(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait until it has exited and its output has been read. Returns the exit code."""
        async with asyncio.timeout(seconds):
            code = await self.process.wait()
            await self._reading
        return code

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal. Returns the exit code."""
        self.process.send_signal(number)
        return await self.ended()


# Makes standard input the controlling terminal, and restores SIGHUP, which nohup may have disabled for the tests.
ON_TERMINAL = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@contextlib.asynccontextmanager
async def started(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, terminal: int | None = None
) -> AsyncIterator[Serve]:
    """Start `serve` in `folder` and in a session of its own. It is stopped when the context ends."""
    command = (sys.executable, "-m", "service", "serve", *arguments)
    process = await asyncio.create_subprocess_exec(
        *(command if terminal is None else (sys.executable, "-c", ON_TERMINAL, *command[1:])),
        cwd=folder,
        env=environment(ANYWHERE | dict(environ or {})),
        stdin=asyncio.subprocess.DEVNULL if terminal is None else terminal,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    serve = Serve(process, folder)
    try:
        yield serve
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await serve.ended()


@contextlib.asynccontextmanager
async def serving(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, terminal: int | None = None
) -> AsyncIterator[Serve]:
    """As `started`, and wait until it serves at `url`."""
    async with started(folder, *arguments, environ=environ, terminal=terminal) as serve:
        serve.url = (await serve.event("serving"))[0]["url"]
        yield serve
