"""The process of the internal listener: beside the workers, so that nothing that people look at slows a request."""

import asyncio
import os
import signal
import socket

import sentry_sdk
import uvloop
from aiohttp import web

from service import __version__
from service.admin.app import create_ops_app
from service.admin.password import console_password
from service.config import Config
from service.metrics.files import announced_folder
from service.observability import logs, sentry
from service.observability.secrets import protect

# A page that streams what happens never ends by itself.
SHUTDOWN_SECONDS = 1.0


def show(config: Config, listener: socket.socket, lifeline: int, ready: int) -> None:
    """Serve the console and the metrics from `listener` until a signal to stop, or until the supervisor is gone.

    A byte is written to `ready` once it serves.
    """
    with logs.configure(config.logging.level, config.logging.format):
        protect(*config.secrets, console_password(config))
        sentry.start(config.sentry.dsn, config.sentry.environment, __version__)
        uvloop.run(_serve(create_ops_app(config, announced_folder()), listener, lifeline, ready))
        sentry_sdk.flush(timeout=1)


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
