"""How a worker goes: it keeps answering until nobody can have a connection that he believes to be good."""

import asyncio
import os
import signal

import structlog
from aiohttp import web

from service import keys
from service.config import Server as Settings
from service.lifespan import stop_dispatching

# How often it is looked whether there is anything left to wait for; also how long the last connection accepted gets
# for its request to arrive.
LOOK_SECONDS = 0.05

log = structlog.get_logger()


class Departure:
    """What this worker was told: by signals, or by the end of its supervisor."""

    def __init__(self, lifeline: int) -> None:
        """`lifeline` is a file descriptor that ends when the supervisor does."""
        self.told = asyncio.Event()
        self.leaving = False  # others serve: leave the socket to them
        self.stopping = False  # the service ends
        self.hurried = False
        self._lifeline = lifeline

    def listen(self) -> None:
        """Be told from now on."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._leave)
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        loop.add_signal_handler(signal.SIGINT, self._hurry)
        loop.add_reader(self._lifeline, self._orphaned)

    def _leave(self) -> None:
        # Of a service that ends, the socket is everyone's until the end.
        self.leaving = self.leaving or not self.stopping
        self.told.set()

    def _stop(self) -> None:
        self.stopping = True
        self.told.set()

    def _hurry(self) -> None:
        self.hurried = True
        self._stop()

    def _orphaned(self) -> None:
        asyncio.get_running_loop().remove_reader(self._lifeline)
        # Who starts the service again finds its port free.
        self.leaving = True
        self._stop()


async def depart(
    app: web.Application, server: web.Server, site: web.BaseSite, departure: Departure, settings: Settings
) -> None:
    """Go as told: return once nothing is under way, or the time for it is up; idle connections may be left.

    Meanwhile every answer says `Connection: close`, so that who keeps a connection asks elsewhere next.
    """
    log.info("worker-stopping" if departure.stopping else "worker-leaving", worker=os.getpid())
    await stop_dispatching(app)
    _close_connections_after_answers()
    await _drain(app, server, site, departure, settings.drain_seconds)
    await _finish(app, settings.shutdown_seconds)


def _close_connections_after_answers() -> None:
    # What an answer falls back on that says nothing of its own, those under way included: costs nothing before.
    web.StreamResponse._keep_alive = False  # noqa: SLF001 - the only place that is the same for all answers


async def _drain(
    app: web.Application, server: web.Server, site: web.BaseSite, departure: Departure, seconds: float
) -> None:
    """Return with the socket left, once each connection was closed by an answer or has been idle all the time."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    accepting = True
    while not departure.hurried and loop.time() < until and (accepting or server.connections):
        app[keys.HEALTH].stopping = departure.stopping
        if accepting and departure.leaving:
            await site.stop()
            accepting = False
        await asyncio.sleep(LOOK_SECONDS)
    app[keys.HEALTH].stopping = departure.stopping
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
