"""One worker process: serves from the socket that its supervisor listens on."""

import gc
import logging
import os
import socket

import sentry_sdk
import structlog
import uvloop
from aiohttp import http_parser, web
from aiohttp.http_exceptions import HttpProcessingError

from service import __version__
from service.api import keys
from service.api.app import create_app
from service.api.readiness import all_ok
from service.config import Config
from service.metrics.definitions import Metrics
from service.metrics.files import write_as
from service.observability import logs, sentry
from service.observability.secrets import protect
from service.serving.bare_http_errors import use_bare_http_errors
from service.serving.draining import depart
from service.serving.listener import BACKLOG
from service.serving.worker_signals import WorkerSignals

# What is still under way after `server.shutdown_seconds` is cancelled, and waited for: twice as long, as aiohttp does.
CANCEL_SECONDS = 0.1

# A new worker that is to take another one's place has to be ready within this.
READY_WITHIN_SECONDS = 10.0

# A request leaves few cycles behind; at the default of 700 objects the collector took a twentieth of the time.
GARBAGE_OBJECTS = 20_000

log = structlog.get_logger()


class CallersFault(logging.Filter):
    """Takes what is not well-formed HTTP for what it is: a caller's fault, worth a line but no traceback or report."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Make such a record a warning without its exception; let every record through."""
        fault = record.exc_info[1] if record.exc_info else None
        if isinstance(fault, HttpProcessingError):
            record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
        return True


def work(config: Config, listener: socket.socket, lifeline: int, ready: int, name: str, *, if_ready: bool) -> bool:
    """Serve from `listener` until a signal to stop or to leave, or until the supervisor is gone.

    `lifeline` is a file descriptor that ends when the supervisor does; a byte is written to `ready` once requests
    are accepted. What it measures is written under `name`, which no other process that runs has. `if_ready`, it
    serves only once it is ready to, and returns false when it does not become so.
    """
    write_as(name)
    with logs.configure(config.logging.level, config.logging.format) as log_lines:
        protect(*config.secrets)
        logging.getLogger("aiohttp.server").addFilter(CallersFault())
        sentry.start(config.sentry.dsn, config.sentry.environment, __version__)
        _check_parser()
        use_bare_http_errors()
        app = create_app(config, Metrics(name), log_lines.requests)
        served = uvloop.run(_serve(app, config, listener, lifeline, ready, if_ready=if_ready))
        sentry_sdk.flush(timeout=1)
    return served


def _check_parser() -> None:
    """Warn where requests are read by aiohttp's parser in Python, which falls back on it without a word."""
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        log.warning("python-parser", reason="aiohttp is installed without its C parser: slow, and lenient with HTTP")


def _spare_the_collector() -> None:
    """Have the garbage collector pass over what lives as long as the process, and look at the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)


async def _serve(
    app: web.Application, config: Config, listener: socket.socket, lifeline: int, ready: int, *, if_ready: bool
) -> bool:
    departure = WorkerSignals(lifeline)
    departure.listen()
    runner = web.AppRunner(
        app,
        access_log=None,
        # A body in a content coding is refused unread.
        auto_decompress=False,
        keepalive_timeout=config.server.keepalive_seconds,
        shutdown_timeout=CANCEL_SECONDS,
    )
    await runner.setup()
    try:
        if if_ready and not await _is_ready(app):
            return False
        site = web.SockSite(runner, listener, backlog=BACKLOG)
        _spare_the_collector()
        await site.start()
        os.write(ready, b"\n")
        os.close(ready)
        await departure.told.wait()
        assert runner.server is not None  # noqa: S101 - after its setup
        await depart(app, runner.server, site, departure, config.server)
        return True
    finally:
        await runner.cleanup()


async def _is_ready(app: web.Application) -> bool:
    checks = await app[keys.READINESS].wait_until_ready(READY_WITHIN_SECONDS)
    if all_ok(checks):
        return True
    log.error("worker-not-ready", **checks)
    return False
