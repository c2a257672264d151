"""Graceful worker shutdown: answer with `Connection: close` until every keep-alive connection has closed."""

import asyncio
import os

import structlog
from aiohttp import web

from service.api import keys
from service.api.aiohttp_internals import close_connections_after_responses
from service.api.lifespan import stop_dispatching, stop_waiting
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

    Takes at most `leave_seconds` if the worker is replaced, `drain_seconds` if the service stops, 0 on a fast stop, and
    then `shutdown_seconds`. Idle connections may remain open.
    """
    event = "worker-stopping" if signals.stopping else "worker-leaving"
    log.info(event, worker=os.getpid(), answers_on_for_seconds=_drain_seconds(signals, settings))
    close_connections_after_responses()
    await stop_dispatching(app)
    await stop_waiting(app)
    await _drain(app, server, site, signals, settings)
    await _wait_for_requests(app, settings.shutdown_seconds)


def _drain_seconds(signals: WorkerSignals, settings: ServerConfig) -> float:
    if signals.fast_stop:
        return 0.0
    return settings.drain_seconds if signals.stopping else settings.leave_seconds


async def _drain(
    app: web.Application, server: web.Server, site: web.BaseSite, signals: WorkerSignals, settings: ServerConfig
) -> None:
    """Wait until no connection is open, for at most `_drain_seconds`. Then the site has stopped.

    A replaced worker stops accepting at once; a stopping one accepts until the end, so that no connection is refused.
    """
    now = asyncio.get_running_loop().time
    stopping, started = signals.stopping, now()
    accepting = True
    while (accepting or server.connections) and now() < started + _drain_seconds(signals, settings):
        if signals.stopping and not stopping:
            # The service stops while this worker is being replaced.
            stopping, started = True, now()
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
