"""One worker process: serves from the socket that its supervisor listens on."""

import asyncio
import logging
import os
import signal
import socket

import sentry_sdk
import structlog
import uvloop
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from service import __version__, keys
from service.app import create_app
from service.config import Config
from service.metrics.files import write_as
from service.metrics.recorded import Metrics
from service.observability import logs, sentry
from service.observability.secrets import protect

log = structlog.get_logger()


class CallersFault(logging.Filter):
    """Takes what is not well-formed HTTP for what it is: a caller's fault, worth a line but no traceback or report."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Make such a record a warning without its exception; let every record through."""
        fault = record.exc_info[1] if record.exc_info else None
        if isinstance(fault, HttpProcessingError):
            record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
        return True


def work(config: Config, listener: socket.socket, lifeline: int, ready: int, name: str) -> None:
    """Serve from `listener` until a signal to stop, or until the supervisor is gone.

    `lifeline` is a file descriptor that ends when the supervisor does; a byte is written to `ready` once requests
    are accepted. What it measures is written under `name`, which no other process that runs has.
    """
    write_as(name)
    with logs.configure(config.logging.level, config.logging.format) as log_lines:
        protect(*config.secrets)
        logging.getLogger("aiohttp.server").addFilter(CallersFault())
        sentry.start(config.sentry.dsn, config.sentry.environment, __version__)
        app = create_app(config, Metrics(name), log_lines.requests)
        uvloop.run(_serve(app, config, listener, lifeline, ready))
        sentry_sdk.flush(timeout=1)


async def _serve(app: web.Application, config: Config, listener: socket.socket, lifeline: int, ready: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(lifeline, stop.set)
    runner = web.AppRunner(
        app,
        access_log=None,
        # A body in a content coding is refused unread.
        auto_decompress=False,
        keepalive_timeout=config.server.keepalive_seconds,
        shutdown_timeout=config.server.shutdown_seconds,
    )
    await runner.setup()
    await web.SockSite(runner, listener).start()
    os.write(ready, b"\n")
    os.close(ready)
    await stop.wait()
    loop.remove_reader(lifeline)
    app[keys.HEALTH].stopping = True
    log.info("worker-stopping")
    await runner.cleanup()
