"""How a worker goes: it keeps answering until nobody can have a connection that he believes to be good."""

import asyncio
import os

import structlog
from aiohttp import web

from service.api import keys
from service.api.lifespan import stop_dispatching
from service.config import ServerConfig
from service.serving.worker_signals import WorkerSignals

# How often it is looked whether there is anything left to wait for; also how long the last connection accepted gets
# for its request to arrive.
LOOK_SECONDS = 0.05

log = structlog.get_logger()


async def depart(
    app: web.Application, server: web.Server, site: web.BaseSite, departure: WorkerSignals, settings: ServerConfig
) -> None:
    """Go as told: return once nothing is under way, or the time for it is up; idle connections may be left.

    Meanwhile every answer says `Connection: close`, so that who keeps a connection asks elsewhere next.
    """
    drain_seconds = 0.0 if departure.hurried else settings.drain_seconds
    event = "worker-stopping" if departure.stopping else "worker-leaving"
    log.info(event, worker=os.getpid(), answers_on_for_seconds=drain_seconds)
    await stop_dispatching(app)
    _close_connections_after_answers()
    await _drain(app, server, site, departure, settings.drain_seconds)
    await _finish(app, settings.shutdown_seconds)


def _close_connections_after_answers() -> None:
    # What an answer falls back on that says nothing of its own, those under way included: costs nothing before.
    web.StreamResponse._keep_alive = False  # noqa: SLF001 - the only place that is the same for all answers


async def _drain(
    app: web.Application, server: web.Server, site: web.BaseSite, departure: WorkerSignals, seconds: float
) -> None:
    """Return with the socket left, once each connection was closed by an answer or has been idle all the time."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    accepting = True
    while not departure.hurried and loop.time() < until and (accepting or server.connections):
        app[keys.READINESS].stopping = departure.stopping
        if accepting and departure.leaving:
            await site.stop()
            accepting = False
        await asyncio.sleep(LOOK_SECONDS)
    app[keys.READINESS].stopping = departure.stopping
    if accepting:
        await site.stop()


async def _finish(app: web.Application, seconds: float) -> None:
    """Return once no request is under way, or the time is up."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if not app[keys.METRICS].in_flight or loop.time() > until:
            return
