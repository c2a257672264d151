"""The two kinds of processes that serve: workers, and the one of the internal listener."""

import contextlib
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import Callable, Iterator

import structlog

from service.config import Config
from service.metrics.definitions import ProcessMetrics
from service.metrics.files import forget
from service.serving.child_processes import ChildProcesses
from service.serving.supervised_process import Role

# What a process gets beyond its own time to stop, before it is killed.
STOP_GRACE_SECONDS = 0.75

CONSOLE_STOP_SECONDS = 5.0

log = structlog.get_logger()


class Roles:
    """Makes roles of processes that serve from `listener`."""

    def __init__(
        self, children: ChildProcesses, metrics: ProcessMetrics, listener: socket.socket, on_ready: Callable[[], None]
    ) -> None:
        """`on_ready` is called whenever a worker comes to serve."""
        self._children = children
        self._metrics = metrics
        self._listener = listener
        self._on_ready = on_ready

    def worker(self, name: str, config: Config, url: str) -> Role:
        """A worker that measures under `name`, which no other has at the same time."""

        async def start(ready: int, on_trial: bool) -> Process:
            command = ("worker", name, *(("--if-ready",) if on_trial else ()))
            return await self._children.start(command, url, self._listener.fileno(), ready)

        @contextlib.contextmanager
        def serving(pid: int) -> Iterator[None]:
            log.info("worker-ready", worker=pid)
            self._on_ready()
            with self._metrics.worker_serving():
                yield

        return Role("worker", start, serving, lambda: forget(name), signal.SIGHUP, stop_seconds(config))

    def console(self, listener: socket.socket, url: str) -> Role:
        """The process that serves the console from `listener`."""

        async def start(ready: int, _on_trial: bool) -> Process:
            return await self._children.start(("console",), url, listener.fileno(), ready)

        @contextlib.contextmanager
        def serving(pid: int) -> Iterator[None]:
            log.info("console-ready", process=pid)
            yield

        return Role("console", start, serving, lambda: None, signal.SIGTERM, CONSOLE_STOP_SECONDS)


def stop_seconds(config: Config) -> float:
    """How long a worker may take to go before it is killed."""
    return config.server.drain_seconds + config.server.shutdown_seconds + STOP_GRACE_SECONDS
