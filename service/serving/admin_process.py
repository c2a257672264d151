"""The process of the internal listener. It is separate from the workers, so that its load does not slow requests."""

import asyncio
import os
import signal
import socket

import uvloop
from aiohttp import web

from service import __version__
from service.admin.app import create_ops_app
from service.admin.password import console_password
from service.api.actions import ACTIONS
from service.api.aiohttp_internals import use_bare_http_errors
from service.config import Config
from service.metrics.files import metrics_folder_from_environment
from service.observability import error_reports, logs
from service.observability.secrets import protect

# A streaming page never completes, so it is cancelled after this.
SHUTDOWN_SECONDS = 1.0


def run_console(config: Config, listener: socket.socket, lifeline: int, ready: int) -> None:
    """Serve the console and the metrics on `listener` until SIGTERM, SIGINT, or the exit of the supervisor.

    The supervisor's exit is end of file on `lifeline`. A byte is written to `ready` once connections are accepted.
    """
    with logs.configure(config.logging.level, config.logging.format):
        protect(*config.secrets, console_password(config))
        error_reports.start(config.sentry.dsn, config.sentry.environment, __version__)
        use_bare_http_errors()
        app = create_ops_app(config, metrics_folder_from_environment(), [action.route for action in ACTIONS])
        uvloop.run(_serve(app, listener, lifeline, ready))
        error_reports.flush(seconds=1)


async def _serve(app: web.Application, listener: socket.socket, lifeline: int, ready: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_reader(lifeline, stop.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    os.write(ready, b"\n")
    os.close(ready)
    await stop.wait()
    loop.remove_reader(lifeline)
    await runner.cleanup()
