"""Restarts of the workers by SIGHUP under load: no request fails."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from service.storage.demo import Demo
from tests.gateway.nginx import gateway
from tests.serving.load import assert_exactly_once, crowd, load
from tests.serving.postgres import Postgres
from tests.serving.process import alive
from tests.serving.restarting import address_of, restart, restartable

# A longer run sets larger numbers. This test keeps the cores busy, from which tests that run beside it suffer.
RESTARTS = int(os.environ.get("ROLLING_RESTARTS", "6"))
WORKERS = int(os.environ.get("ROLLING_WORKERS", "1"))

# The shipped gateway with a shorter keep-alive timeout, as the service has here, and without its rate limit.
CHANGES = {"keepalive_timeout 5s;": "keepalive_timeout 300ms;", "rate=500r/s": "rate=50000r/s"}


# Keeps a core busy until its standard input is closed.
SPIN = """
import os, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(0))).start()
while True:
    pass
"""


@contextlib.asynccontextmanager
async def busy_cores() -> AsyncIterator[None]:
    """A spinning process for each core."""
    command = (sys.executable, "-c", SPIN)
    spinning = [
        await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def without_console() -> AsyncIterator[dict[str, str]]:
    """Settings with which the console cannot start, because its process takes as long to start as a worker."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield {"REQUIREMENTS__CONSOLE__PORT": str(taken.getsockname()[1])}


def _created(folder: Path) -> Path:
    folder.mkdir()
    return folder


async def test_no_caller_notices_a_restart(postgres: Postgres, demo: Demo, tmp_path: Path) -> None:
    """Repeated restarts under load, on new and keep-alive connections, direct and through nginx, fail no request.

    Neither do they on a machine whose cores are all busy, where a caller's next request may be late.
    """
    async with (
        without_console() as environ,
        restartable(tmp_path, postgres.url, 0.6, WORKERS, environ) as serve,
        busy_cores(),
        gateway(_created(tmp_path / "nginx"), serve.url, CHANGES) as nginx,
    ):
        callers = crowd(address_of(serve), "direct") + crowd(("127.0.0.1", nginx.port), "gateway")
        async with load(demo, callers) as history:
            for count in range(1, RESTARTS + 1):
                await restart(serve, count)
        workers = await serve.workers(WORKERS * (RESTARTS + 1))
        assert [alive(worker) for worker in workers] == [False] * WORKERS * RESTARTS + [True] * WORKERS
    assert history.failed == {}
    assert history.closing >= RESTARTS
    await assert_exactly_once(postgres, history)
