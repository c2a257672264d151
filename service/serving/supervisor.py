"""The supervisor: starts the workers and the console process, replaces them on SIGHUP, and stops them."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import structlog

from service.config import Config, ConfigError, load_config
from service.database.errors import DatabaseError
from service.metrics.definitions import ProcessMetrics
from service.metrics.files import metrics_folder, write_as
from service.observability.sink import BATCH_SECONDS
from service.serving.listener import PortTakenError, listen, url_of
from service.serving.signals import SupervisorSignals
from service.serving.supervised_process import ChildProcesses, ProcessSpec, SupervisedProcess
from service.serving.worker_pool import START_SECONDS, WorkerPool

# How often binding the internal listener's port is retried.
PORT_RETRY_SECONDS = 2.0

CONSOLE_EXIT_SECONDS = {signal.SIGTERM: 5.0}

Check = Callable[[Config, str], Awaitable[None]]

log = structlog.get_logger()


class Supervisor:
    """Runs `server.workers` workers on one listening socket, and one process for the internal listener."""

    def __init__(
        self, config: Config, config_path: Path | None, listener: socket.socket, url: str, check: Check
    ) -> None:
        """The processes read their settings from `config_path` and the environment, and use the database at `url`.

        `check` is called with new settings before a restart. It raises `DatabaseError` if the database does not fit.
        """
        self._config = config
        self._config_path = config_path
        self._listener = listener
        self._url = url
        self._embedded_url = None if config.database.url else url
        self._check = check
        self._console: SupervisedProcess | None = None

    async def run(
        self, signals: SupervisorSignals, on_serving: Callable[[], None], on_started: Callable[[str | None], None]
    ) -> None:
        """Serve until `signals.stop` is set, then close the listening socket and stop every process.

        `on_serving` is called once, when the first worker accepts connections. `on_started` is called once, when every
        process has started and written its log lines, with the URL of the internal listener, or None if its port is
        taken.
        """
        with metrics_folder(self._config.data_folder):
            write_as("supervisor")
            with ChildProcesses(self._config_path, ProcessMetrics()) as children:
                await self._run(children, signals, on_serving, on_started)

    async def _run(
        self,
        children: ChildProcesses,
        signals: SupervisorSignals,
        on_serving: Callable[[], None],
        on_started: Callable[[str | None], None],
    ) -> None:
        pool = WorkerPool(self._listener, children)
        pool.start(self._config, self._url)
        tasks = [
            asyncio.create_task(self._announce(pool, on_serving, on_started)),
            asyncio.create_task(self._run_console(children)),
            asyncio.create_task(self._restart_on_signal(signals, pool)),
        ]
        await signals.stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._stop(children, signals)

    async def _announce(
        self, pool: WorkerPool, on_serving: Callable[[], None], on_started: Callable[[str | None], None]
    ) -> None:
        await pool.first_ready.wait()
        on_serving()
        started = [pool.wait_until_ready()]
        if self._console is not None:
            started.append(self._console.wait_until_ready(START_SECONDS))
        await asyncio.gather(*started)
        # The other processes write their log lines with this delay.
        await asyncio.sleep(2 * BATCH_SECONDS)
        on_started(url_of(self._console.spec.listener) if self._console is not None else None)

    async def _run_console(self, children: ChildProcesses) -> None:
        """Start the console process as soon as its port is free. The API does not wait for it."""
        listener = await _listen_when_free(self._config.console.host, self._config.console.port)
        log.info("console-listening", url=url_of(listener))
        spec = ProcessSpec("console", (), listener, self._url, CONSOLE_EXIT_SECONDS, _while_console_ready)
        self._console = SupervisedProcess(spec, children)

    async def _restart_on_signal(self, signals: SupervisorSignals, pool: WorkerPool) -> None:
        """Restart for each SIGHUP. Any number of signals during a restart cause one more."""
        while True:
            await signals.restart.wait()
            signals.restart.clear()
            try:
                config = self._reload_config()
                url = config.database.url or self._embedded_url or self._url
                await self._check(config, url)
            except (ConfigError, DatabaseError) as error:
                _log_refused_restart(str(error))
            else:
                await self._restart(config, url, pool)

    async def _restart(self, config: Config, url: str, pool: WorkerPool) -> None:
        log.info("restarting", workers=config.server.workers)
        # Ends after every replaced worker has exited, so that at most twice `server.workers` processes run.
        async with asyncio.TaskGroup() as stopping:
            if not await pool.replace(config, url, stopping):
                _log_refused_restart("a new worker did not become ready")
                return
            self._config, self._url = config, url
            if self._console is not None:
                await self._console.restart(url)
        log.info("restarted", workers=config.server.workers)

    def _reload_config(self) -> Config:
        """Read the settings again. Raises `ConfigError`, also for a change that SIGHUP cannot apply."""
        new, old = load_config(self._config_path, os.environ), self._config
        if new.database.url is None and self._embedded_url is None:
            raise ConfigError("database.url: SIGHUP cannot change to the embedded database: stop and start the service")
        for section, before, after in (("server", old.server, new.server), ("console", old.console, new.console)):
            if (before.host, before.port) != (after.host, after.port):
                raise ConfigError(f"{section}: SIGHUP cannot change the host or port: stop and start the service")
        return new

    async def _stop(self, children: ChildProcesses, signals: SupervisorSignals) -> None:
        # The workers hold the socket while they drain. When the last one closes it, connections are refused at once.
        self._listener.close()
        fast_stop = asyncio.create_task(_fast_stop(children, signals))
        await asyncio.gather(*(process.stop(signal.SIGTERM) for process in children.supervised))
        fast_stop.cancel()


async def _fast_stop(children: ChildProcesses, signals: SupervisorSignals) -> None:
    await signals.fast_stop.wait()
    for process in children.supervised:
        process.send_signal(signal.SIGINT)


@contextlib.contextmanager
def _while_console_ready(pid: int) -> Iterator[None]:
    log.info("console-ready", process=pid)
    yield


async def _listen_when_free(host: str, port: int) -> socket.socket:
    """Bind the internal listener's port. Retry while that fails, and log the first failure."""
    logged = False
    while True:
        try:
            return listen(host, port, "console.port")
        except (PortTakenError, ConfigError) as error:
            if not logged:
                consequence = "serving without the console and the metrics until the port is free"
                log.warning("console-unavailable", reason=str(error), consequence=consequence)
            logged = True
            await asyncio.sleep(PORT_RETRY_SECONDS)


def _log_refused_restart(reason: str) -> None:
    log.error("restart-refused", reason=reason, consequence="the running workers keep serving")
