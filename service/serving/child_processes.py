"""The processes that the one in charge has started: told by signals, waited for, and killed when they take too long."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Collection, Sequence
from pathlib import Path

import structlog

log = structlog.get_logger()


class ChildProcesses:
    """Starts processes of this program; all of them end with this one, however that happens."""

    def __init__(self, config_path: Path | None, lifeline: int) -> None:
        """They read their settings from `config_path`, and when to end from `lifeline`."""
        self._config_path = config_path
        self._lifeline = lifeline
        self._running: set[Process] = set()

    async def start(self, command: Sequence[object], url: str, listener: int, ready: int) -> Process:
        """A process that serves from `listener` and writes to `ready` once it does; `url` is the database's address."""
        path = [] if self._config_path is None else ["--config", str(self._config_path)]
        fds = (listener, self._lifeline, ready)
        name, *arguments = command
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service", *path, *map(str, (name, *fds, *arguments))),
            # Not by argument: a command line is there for everyone to read, and the address may hold a password.
            env={**os.environ, "DATABASE_URL": url},
            pass_fds=fds,
            # Ctrl-C is for us: we tell the others.
            start_new_session=True,
        )
        self._running.add(process)
        return process

    async def ended(self, process: Process) -> int:
        """The exit code, once the process has ended."""
        code = await process.wait()
        self._running.discard(process)
        return code

    def tell_all(self, number: signal.Signals) -> None:
        """Send a signal to each."""
        for process in self._running:
            tell(process, number)

    async def all_ended(self, within_seconds: float) -> None:
        """Return once none runs any more: what takes longer is killed."""
        await self.end(tuple(self._running), within_seconds)

    async def end(self, processes: Collection[Process], within_seconds: float) -> None:
        """Return once these have ended: what takes longer is killed."""
        waiting = [asyncio.create_task(self.ended(process)) for process in processes]
        if not waiting:
            return
        await asyncio.wait(waiting, timeout=within_seconds)
        for process in processes:
            if process.returncode is None:
                log.warning("worker-killed", worker=process.pid)
                process.kill()
        await asyncio.wait(waiting)


def tell(process: Process, number: signal.Signals) -> None:
    """Send a signal, unless the process has ended."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
