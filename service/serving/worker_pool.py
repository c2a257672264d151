"""The pool of workers, and their replacement one by one."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from functools import partial

import structlog

from service.config import Config
from service.metrics.files import forget
from service.serving.supervised_process import ChildProcesses, ProcessSpec, SupervisedProcess

# How long a new worker may take to check the database, load the registry and accept connections.
START_SECONDS = 30.0

# A worker that exceeds its own shutdown times by this is killed.
STOP_GRACE_SECONDS = 0.75

log = structlog.get_logger()


class WorkerPool:
    """`server.workers` supervised workers that accept connections from one socket."""

    def __init__(self, listener: socket.socket, children: ChildProcesses) -> None:
        self.first_ready = asyncio.Event()
        self._listener = listener
        self._children = children
        self._workers: dict[int, SupervisedProcess] = {}

    def start(self, config: Config, url: str) -> None:
        """Start every worker. They accept connections even if the database is unavailable."""
        for index in range(config.server.workers):
            self._workers[index] = self._start_worker(index, config, url, must_become_ready=False)

    async def wait_until_ready(self) -> bool:
        """Whether every worker accepts connections within `START_SECONDS`."""
        return all(await asyncio.gather(*(w.wait_until_ready(START_SECONDS) for w in self._workers.values())))

    async def replace(self, config: Config, url: str, stopping: asyncio.TaskGroup) -> bool:
        """Replace each worker by one with `config`, and stop it as soon as the new one accepts connections.

        Returns false when a new worker does not become ready: the workers not yet replaced keep running. Tasks in
        `stopping` wait until the replaced workers have exited.
        """
        for index in range(config.server.workers):
            worker = self._start_worker(index, config, url, must_become_ready=True)
            if not await worker.wait_until_ready(START_SECONDS):
                stopping.create_task(worker.stop(signal.SIGHUP))
                return False
            self._retire_worker(index, stopping)
            self._workers[index] = worker
        for index in range(config.server.workers, len(self._workers)):
            self._retire_worker(index, stopping)
        return True

    def _start_worker(self, index: int, config: Config, url: str, *, must_become_ready: bool) -> SupervisedProcess:
        # The name labels the worker's metrics. Replacements use two names in turn: the old and the new worker run at
        # the same time, and counters continue under the same names.
        old = self._workers.get(index)
        name = f"{index}b" if old is not None and old.spec.arguments == (str(index),) else str(index)
        spec = ProcessSpec(
            "worker", (name,), self._listener, url, exit_seconds(config), self._while_ready, partial(forget, name)
        )
        return SupervisedProcess(spec, self._children, must_become_ready=must_become_ready)

    @contextlib.contextmanager
    def _while_ready(self, pid: int) -> Iterator[None]:
        log.info("worker-ready", worker=pid)
        self.first_ready.set()
        with self._children.metrics.worker_serving():
            yield

    def _retire_worker(self, index: int, stopping: asyncio.TaskGroup) -> None:
        # SIGHUP: it stops accepting at once and drains, because another worker accepts.
        if index in self._workers:
            stopping.create_task(self._workers.pop(index).stop(signal.SIGHUP))


def exit_seconds(config: Config) -> dict[signal.Signals, float]:
    """How long a worker may take to exit after a signal, before it is killed."""
    finish_seconds = config.server.shutdown_seconds + STOP_GRACE_SECONDS
    return {
        signal.SIGTERM: config.server.drain_seconds + finish_seconds,
        signal.SIGHUP: config.server.leave_seconds + finish_seconds,
    }
