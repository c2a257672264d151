"""The internal listener: had as soon as its port is free, its process kept running and followed by a fresh one."""

import asyncio
import socket
from collections.abc import Callable

import structlog

from service.config import Config, ConfigError
from service.metrics.definitions import ProcessMetrics
from service.serving.child_processes import ChildProcesses
from service.serving.listener import PortTakenError, listen, url_of
from service.serving.process_specs import Roles
from service.serving.supervised_process import SupervisedProcess

# How often it is tried to have the internal listener's port.
PORT_PAUSE_SECONDS = 2.0

log = structlog.get_logger()


class ConsoleKeeping:
    """One process that serves the internal listener, once there is one: nothing else waits for it."""

    def __init__(self, roles: Roles, children: ChildProcesses, metrics: ProcessMetrics) -> None:
        self._roles = roles
        self._children = children
        self._metrics = metrics
        self._listener: socket.socket | None = None
        self._keeper: SupervisedProcess | None = None
        self._url = ""

    async def start(self, config: Config, url: str, on_console: Callable[[str], None]) -> None:
        """Serve it with the database at `url` once the port can be had; its address is told to `on_console`."""
        self._url = url
        self._listener = await _free_listener(config.console.host, config.console.port)
        on_console(url_of(self._listener))
        self._keep(self._listener)

    async def restart(self, url: str) -> None:
        """Have the process followed by a fresh one; callers wait in the listener meanwhile."""
        self._url = url
        if self._keeper is not None and self._listener is not None:
            await self._keeper.dismiss()
            self._keep(self._listener)

    def let_go(self) -> None:
        """Start no more of it."""
        if self._keeper is not None:
            self._keeper.let_go()

    def _keep(self, listener: socket.socket) -> None:
        self._keeper = SupervisedProcess(self._roles.console(listener, self._url), self._children, self._metrics)


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
