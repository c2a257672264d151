"""Child processes of the supervisor: each is started, restarted when it exits, and stopped."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import structlog

from service.metrics.definitions import ProcessMetrics

# A process that ran for less than this is restarted after a pause, which doubles each time up to the maximum.
HEALTHY_AFTER_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0

log = structlog.get_logger()


@dataclass(frozen=True)
class ProcessSpec:
    """How to run a process."""

    kind: str  # `worker` or `console`: the hidden subcommand, and the prefix of its log events
    arguments: tuple[str, ...]  # of the subcommand, after the file descriptors
    listener: socket.socket
    database_url: str
    exit_seconds: Mapping[signal.Signals, float]  # time to exit after a signal; then it is killed
    while_ready: Callable[[int], AbstractContextManager[None]]  # entered with its pid while it accepts connections
    on_exit: Callable[[], None] = lambda: None


class ChildProcesses:
    """Starts children of this process. `supervised` holds those that have not been stopped."""

    def __init__(self, config_path: Path | None, metrics: ProcessMetrics) -> None:
        """The children read their settings from `config_path` and the environment."""
        self.metrics = metrics
        self.supervised: set[SupervisedProcess] = set()
        self._config_path = config_path
        # The lifeline is a pipe to which nothing is written: its read end, inherited by every child, reaches end of
        # file when this process exits, even by SIGKILL. The children then shut down.
        self._lifeline = os.pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for descriptor in self._lifeline:
            os.close(descriptor)

    async def start(self, spec: ProcessSpec, ready: int, *options: str) -> Process:
        """Start a process. It writes a byte to the descriptor `ready` once it accepts connections."""
        config = [] if self._config_path is None else ["--config", str(self._config_path)]
        descriptors = (spec.listener.fileno(), self._lifeline[0], ready)
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service", *config),
            *(spec.kind, *map(str, descriptors), *spec.arguments, *options),
            # Not an argument: every user can read command lines, and the URL may contain a password.
            env={**os.environ, "DATABASE_URL": spec.database_url},
            pass_fds=descriptors,
            # Ctrl-C reaches the supervisor alone, which signals its children.
            start_new_session=True,
        )


class SupervisedProcess:
    """Keeps one process running, and restarts it when it exits, until it is stopped."""

    def __init__(self, spec: ProcessSpec, children: ChildProcesses, *, must_become_ready: bool = False) -> None:
        """With `must_become_ready`, it is not restarted if it exits before it has accepted connections."""
        self.spec = spec
        self._children = children
        self._must_become_ready = must_become_ready
        self._became_ready = asyncio.Event()
        self._process: Process | None = None
        self._start_supervision()

    def _start_supervision(self) -> None:
        self._children.supervised.add(self)
        self._supervision = asyncio.create_task(self._supervise())

    async def wait_until_ready(self, seconds: float) -> bool:
        """Whether it accepts connections within `seconds`; false at once if it exits and is not restarted."""
        ready = asyncio.create_task(self._became_ready.wait())
        await asyncio.wait((ready, self._supervision), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        return self._became_ready.is_set()

    async def stop(self, number: signal.Signals) -> None:
        """Stop restarting it, send a signal, and wait until it has exited. Kill it after `spec.exit_seconds`."""
        self._supervision.cancel()
        await asyncio.wait([self._supervision])
        if self._process is not None:
            self.send_signal(number)
            try:
                async with asyncio.timeout(self.spec.exit_seconds[number]):
                    await self._process.wait()
            except TimeoutError:
                log.warning("worker-killed", worker=self._process.pid)
                self.send_signal(signal.SIGKILL)
                await self._process.wait()
        self.spec.on_exit()
        self._children.supervised.discard(self)

    async def restart(self, database_url: str) -> None:
        """Stop it by SIGTERM and start it with another database. Connections wait in the listener meanwhile."""
        await self.stop(signal.SIGTERM)
        self.spec = replace(self.spec, database_url=database_url)
        self._start_supervision()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal if it is running."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _supervise(self) -> None:
        pause, event = FIRST_PAUSE_SECONDS, f"{self.spec.kind}-ended"
        while True:
            started = time.monotonic()
            code = await self._run()
            self.spec.on_exit()
            if self._must_become_ready and not self._became_ready.is_set():
                return
            log.error(event, exit_code=code)
            if time.monotonic() - started > HEALTHY_AFTER_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            self._children.metrics.restarted(self.spec.kind)

    async def _run(self) -> int:
        """Start a process and return its exit code. If this is cancelled, the process keeps running."""
        process, is_ready = await self._start()
        if not is_ready:
            return await process.wait()
        with self.spec.while_ready(process.pid):
            self._became_ready.set()
            return await process.wait()

    async def _start(self) -> tuple[Process, bool]:
        """Start a process. Returns it, and whether it accepted connections before it exited."""
        must_become_ready = self._must_become_ready and not self._became_ready.is_set()
        options = ("--must-become-ready",) if must_become_ready else ()
        read, write = os.pipe()
        try:
            try:
                process = self._process = await self._children.start(self.spec, write, *options)
            finally:
                os.close(write)
            return process, await _read_byte(read)
        finally:
            os.close(read)


async def _read_byte(descriptor: int) -> bool:
    """Wait for a byte from a pipe. False if the write end was closed instead."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
    return bool(os.read(descriptor, 1))
