"""Keeping a process running, and having it make way for a successor."""

import asyncio
import os
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import structlog

from service.metrics.definitions import ProcessMetrics
from service.serving.child_processes import ChildProcesses, tell
from service.serving.pipes import readable

# A process that ends before this is not started again at once, but after a pause that doubles.
HEALTHY_AFTER_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Role:
    """What a process is there for: how it is started and how it goes."""

    kind: str
    # With the descriptor to write to once it serves, and whether it is on trial: to serve only if it is ready to.
    start: Callable[[int, bool], Awaitable[Process]]
    serving: Callable[[int], AbstractContextManager[None]]  # entered with its pid as long as it serves
    clear: Callable[[], None]  # called after its end
    leave: signal.Signals  # has it make way for a successor
    leave_seconds: float  # then it is killed


class SupervisedProcess:
    """Keeps one process of a role running, started again should it end by itself, until it is dismissed."""

    def __init__(
        self, role: Role, children: ChildProcesses, metrics: ProcessMetrics, *, on_trial: bool = False
    ) -> None:
        """`on_trial`, its first process either serves or is the last."""
        self._role = role
        self._children = children
        self._metrics = metrics
        self._on_trial = on_trial
        self._process: Process | None = None
        self._served = asyncio.Event()
        self._keeping = asyncio.create_task(self._keep())

    async def serves(self, within_seconds: float) -> bool:
        """Whether its process has come to serve; on trial, false as soon as it has not."""
        served = asyncio.create_task(self._served.wait())
        await asyncio.wait((served, self._keeping), timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED)
        served.cancel()
        return self._served.is_set()

    def let_go(self) -> None:
        """Start no process any more; one that runs goes on."""
        self._keeping.cancel()

    async def dismiss(self) -> None:
        """Have its process make way; return once it has ended."""
        self.let_go()
        await asyncio.wait([self._keeping])
        if self._process is not None and self._process.returncode is None:
            tell(self._process, self._role.leave)
            await self._children.end([self._process], self._role.leave_seconds)
            self._role.clear()

    async def _keep(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        event = f"{self._role.kind}-ended"
        while True:
            started = time.monotonic()
            code = await self._run()
            self._role.clear()
            if self._on_trial and not self._served.is_set():
                return
            log.error(event, exit_code=code)
            if time.monotonic() - started > HEALTHY_AFTER_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            self._metrics.restarted(self._role.kind)

    async def _run(self) -> int:
        """Start a process and wait for its end; its exit code. Cancelled, it leaves the process running."""
        ready_read, ready_write = os.pipe()
        async with readable(ready_read) as ready:
            try:
                process = await self._role.start(ready_write, self._on_trial and not self._served.is_set())
            finally:
                os.close(ready_write)
            self._process = process
            ended = asyncio.create_task(self._children.ended(process))
            await asyncio.wait((ready, ended), return_when=asyncio.FIRST_COMPLETED)
            if not os.read(ready_read, 1):
                return await ended
        with self._role.serving(process.pid):
            self._served.set()
            return await ended
