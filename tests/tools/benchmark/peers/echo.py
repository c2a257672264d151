"""A minimal aiohttp server that echoes JSON: the upper limit for any aiohttp service. Arguments: PORT PROCESSES."""

import asyncio
import os
import signal
import socket
import sys

import orjson
import uvloop
from aiohttp import web

from tests.tools.benchmark.payloads import PATH

READY = b"echo is ready"


async def _echo(request: web.Request) -> web.Response:
    return web.Response(body=orjson.dumps(orjson.loads(await request.read())), content_type="application/json")


async def _serve(listener: socket.socket) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    app = web.Application()
    app.router.add_post(PATH, _echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    os.write(1, READY + b"\n")
    await stop.wait()
    await runner.cleanup()


def _start(listener: socket.socket) -> int:
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        uvloop.run(_serve(listener))
        os._exit(0)
    return child


def main() -> None:
    """Serve in processes that share one socket, like the service's workers, until SIGTERM."""
    port, processes = map(int, sys.argv[1:])
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    children = [_start(listener) for _ in range(processes)]
    signal.sigwait({signal.SIGTERM})
    for child in children:
        os.kill(child, signal.SIGTERM)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
