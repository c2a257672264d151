"""One worker process: runs the application on the supervisor's listening socket."""

import gc
import logging
import os
import socket

import structlog
import uvloop
from aiohttp import http_parser, web
from aiohttp.http_exceptions import HttpProcessingError

from service import __version__
from service.api import keys
from service.api.aiohttp_internals import use_bare_http_errors
from service.api.app import create_app
from service.api.readiness import all_ok
from service.config import Config
from service.metrics.definitions import Metrics
from service.metrics.files import write_as
from service.observability import error_reports, logs
from service.observability.secrets import protect
from service.serving.draining import shut_down_gracefully
from service.serving.listener import BACKLOG
from service.serving.signals import WorkerSignals

# Requests still in progress after `server.shutdown_seconds` are cancelled. aiohttp waits for this before it cancels
# them, and as long again afterwards.
CANCEL_SECONDS = 0.1

# How long a worker that replaces another one may take to become ready.
READY_WITHIN_SECONDS = 10.0

# A request leaves few reference cycles. At the default threshold of 700 objects, collection took 5 % of the time.
GARBAGE_OBJECTS = 20_000

log = structlog.get_logger()


class MalformedRequestFilter(logging.Filter):
    """Logs malformed HTTP, a caller's error, as a warning: no traceback, and no report to Sentry."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the level of such a record and remove its exception. Keeps every record."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
        return True


def run_worker(
    config: Config, listener: socket.socket, lifeline: int, ready: int, name: str, *, must_become_ready: bool
) -> bool:
    """Serve on `listener` until a signal to shut down, or until the supervisor exits.

    The supervisor's exit is end of file on the descriptor `lifeline`. A byte is written to `ready` once connections are
    accepted. Metrics are written under `name`, which no other running process uses. With `must_become_ready`, the
    worker serves only after /ready would succeed, and returns false if that takes too long.
    """
    write_as(name)
    with logs.configure(config.logging.level, config.logging.format) as log_lines:
        protect(*config.secrets)
        logging.getLogger("aiohttp.server").addFilter(MalformedRequestFilter())
        error_reports.start(config.sentry.dsn, config.sentry.environment, __version__)
        _check_parser()
        use_bare_http_errors()
        app = create_app(config, Metrics(name), log_lines.requests)
        served = uvloop.run(_serve(app, config, listener, lifeline, ready, must_become_ready=must_become_ready))
        error_reports.flush(seconds=1)
    return served


def _check_parser() -> None:
    """Log a warning if aiohttp uses its parser in Python. It does so silently when the C parser is missing."""
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        log.warning("python-parser", reason="aiohttp is installed without its C parser: slow, and lenient with HTTP")


def _tune_garbage_collector() -> None:
    """Exclude the objects created so far from garbage collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)


async def _serve(
    app: web.Application, config: Config, listener: socket.socket, lifeline: int, ready: int, *, must_become_ready: bool
) -> bool:
    signals = WorkerSignals(lifeline)
    signals.listen()
    runner = web.AppRunner(
        app,
        access_log=None,
        # A body with a Content-Encoding is refused without being read.
        auto_decompress=False,
        keepalive_timeout=config.server.keepalive_seconds,
        shutdown_timeout=CANCEL_SECONDS,
    )
    await runner.setup()
    try:
        if must_become_ready and not await _is_ready(app):
            return False
        site = web.SockSite(runner, listener, backlog=BACKLOG)
        _tune_garbage_collector()
        await site.start()
        os.write(ready, b"\n")
        os.close(ready)
        await signals.received.wait()
        assert runner.server is not None  # noqa: S101 - set up above
        await shut_down_gracefully(app, runner.server, site, signals, config.server)
        return True
    finally:
        await runner.cleanup()


async def _is_ready(app: web.Application) -> bool:
    checks = await app[keys.READINESS].wait_until_ready(READY_WITHIN_SECONDS)
    if all_ok(checks):
        return True
    log.error("worker-not-ready", **checks)
    return False
