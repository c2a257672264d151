"""Graceful worker shutdown: answer with `Connection: close` until every keep-alive connection has closed."""

import asyncio
import os

import structlog
from aiohttp import web

from service.api import keys
from service.api.aiohttp_internals import close_connections_after_responses
from service.api.lifespan import stop_dispatching
from service.config import ServerConfig
from service.serving.signals import WorkerSignals

# How often open connections and requests in progress are checked. Also how long the request of the last accepted
# connection may take to arrive.
POLL_SECONDS = 0.05

log = structlog.get_logger()


async def shut_down_gracefully(
    app: web.Application, server: web.Server, site: web.BaseSite, signals: WorkerSignals, settings: ServerConfig
) -> None:
    """Drain connections, stop accepting, and wait for requests in progress.

    Takes at most `drain_seconds` (0 on a fast stop) and then `shutdown_seconds`. Idle connections may remain open.
    """
    drain_seconds = 0.0 if signals.fast_stop else settings.drain_seconds
    event = "worker-stopping" if signals.stopping else "worker-leaving"
    log.info(event, worker=os.getpid(), answers_on_for_seconds=drain_seconds)
    await stop_dispatching(app)
    close_connections_after_responses()
    await _drain(app, server, site, signals, settings.drain_seconds)
    await _wait_for_requests(app, settings.shutdown_seconds)


async def _drain(
    app: web.Application, server: web.Server, site: web.BaseSite, signals: WorkerSignals, seconds: float
) -> None:
    """Wait until no connection is open, for at most `seconds` or until a fast stop. Then the site has stopped.

    A replaced worker stops accepting at once; a stopping one accepts until the end, so that no connection is refused.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    accepting = True
    while not signals.fast_stop and loop.time() < deadline and (accepting or server.connections):
        app[keys.READINESS].stopping = signals.stopping
        if accepting and signals.replaced:
            await site.stop()
            accepting = False
        await asyncio.sleep(POLL_SECONDS)
    app[keys.READINESS].stopping = signals.stopping
    if accepting:
        await site.stop()


async def _wait_for_requests(app: web.Application, seconds: float) -> None:
    """Wait until no request is in progress, for at most `seconds`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        await asyncio.sleep(POLL_SECONDS)
        if not app[keys.METRICS].in_flight or loop.time() > deadline:
            return
