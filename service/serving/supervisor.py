"""The process in charge: starts the workers, replaces them when told to, and ends them together."""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from service.config import Config, ConfigError, load_config
from service.database.errors import DatabaseError
from service.metrics.definitions import ProcessMetrics
from service.metrics.files import metrics_folder, write_as
from service.serving.admin_supervision import ConsoleKeeping
from service.serving.child_processes import ChildProcesses
from service.serving.pipes import lifeline
from service.serving.process_specs import Roles, stop_seconds
from service.serving.supervisor_signals import SupervisorSignals
from service.serving.worker_pool import WorkerPool

Check = Callable[[Config, str], Awaitable[None]]

log = structlog.get_logger()


class Supervisor:
    """Keeps `config.server.workers` processes serving from one listening socket, and one the internal listener."""

    def __init__(
        self, config: Config, config_path: Path | None, listener: socket.socket, url: str, check: Check
    ) -> None:
        """Workers read their settings from `config_path` and the environment, and the database's address from `url`.

        Before a restart, `check` raises `DatabaseError` for new settings whose database they cannot be used with.
        """
        self._config = config
        self._config_path = config_path
        self._listener = listener
        self._url = url
        self._embedded_url = None if config.database.url else url
        self._check = check

    async def run(
        self, orders: SupervisorSignals, on_ready: Callable[[], None], on_console: Callable[[str], None]
    ) -> None:
        """Serve until `orders` say to stop; the listening socket is closed then.

        `on_ready` is called once, when the first worker accepts requests, and `on_console` with the internal
        listener's address once that can be had.
        """
        with lifeline() as line, metrics_folder():
            write_as("supervisor")
            first_ready = asyncio.Event()
            metrics = ProcessMetrics()
            children = ChildProcesses(self._config_path, line)
            roles = Roles(children, metrics, self._listener, first_ready.set)
            crew, console = WorkerPool(roles, children, metrics), ConsoleKeeping(roles, children, metrics)
            crew.start(self._config, self._url)
            tasks = [
                asyncio.create_task(_announce(first_ready, on_ready)),
                asyncio.create_task(console.start(self._config, self._url, on_console)),
                asyncio.create_task(self._follow(orders, crew, console)),
            ]
            await orders.stop.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            crew.let_go()
            console.let_go()
            await self._stop(children, orders)

    async def _follow(self, orders: SupervisorSignals, crew: WorkerPool, console: ConsoleKeeping) -> None:
        """Carry out each order to restart; whatever is ordered meanwhile is one more."""
        while True:
            await orders.restart.wait()
            orders.restart.clear()
            try:
                config = self._new_config()
                url = config.database.url or self._embedded_url or self._url
                await self._check(config, url)
            except (ConfigError, DatabaseError) as error:
                _refuse(str(error))
            else:
                await self._restart(config, url, crew, console)

    async def _restart(self, config: Config, url: str, crew: WorkerPool, console: ConsoleKeeping) -> None:
        log.info("restarting", workers=config.server.workers)
        if not await crew.replace(config, url):
            _refuse("a new worker did not become ready")
            return
        await console.restart(url)
        self._config, self._url = config, url
        log.info("restarted", workers=config.server.workers)

    def _new_config(self) -> Config:
        """The settings as they are now. Raises `ConfigError`, also for what takes a stop and a start."""
        new, old = load_config(self._config_path, os.environ), self._config
        if new.database.url is None and self._embedded_url is None:
            raise ConfigError("database.url: an embedded database takes a stop and a start")
        for section, ours, theirs in (("server", old.server, new.server), ("console", old.console, new.console)):
            if (ours.host, ours.port) != (theirs.host, theirs.port):
                raise ConfigError(f"{section}: another host or port takes a stop and a start")
        return new

    async def _stop(self, children: ChildProcesses, orders: SupervisorSignals) -> None:
        # Workers hold it as long as they accept: with the last of them it is closed, and callers are refused at once.
        self._listener.close()
        children.tell_all(signal.SIGTERM)
        hurry = asyncio.create_task(_hurry(children, orders))
        await children.all_ended(stop_seconds(self._config))
        hurry.cancel()


async def _hurry(children: ChildProcesses, orders: SupervisorSignals) -> None:
    await orders.hurry.wait()
    children.tell_all(signal.SIGINT)


async def _announce(first_ready: asyncio.Event, on_ready: Callable[[], None]) -> None:
    await first_ready.wait()
    on_ready()


def _refuse(reason: str) -> None:
    log.error("restart-refused", reason=reason, consequence="the workers that run serve on")
