"""Thousands of idle connections, and slow request bodies, do not slow down other callers."""

import asyncio
import contextlib
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from statistics import median

import aiohttp
import psutil
import pytest

from tests.factories import CREATE, AppRecord, params
from tests.gateway.nginx import Gateway
from tests.gateway.requests import as_json, send
from tests.serving.process import Serve

IDLE = 5000
SLOW = 300
NORMAL = 300

# The allowed slowdown of the median, caused by processor load only. Slower percentiles depend on what else runs here.
FACTOR = 5
GRACE_SECONDS = 0.1

UNKNOWN_PATH = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW_BODY = f"POST {CREATE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n"

Writers = list[asyncio.StreamWriter]


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """Raise the limit of open files to the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.asynccontextmanager
async def connections(number: int, connect: Callable[[], Awaitable[asyncio.StreamWriter]]) -> AsyncIterator[Writers]:
    """Open this many connections, a hundred at a time; close them at the end."""
    writers: Writers = []
    try:
        while len(writers) < number:
            writers += await asyncio.gather(*(connect() for _ in range(100)))
        yield writers
    finally:
        for writer in writers:
            writer.close()


async def usual_seconds(http: aiohttp.ClientSession, nginx: Gateway, token: str, user_id: int) -> float:
    """The median duration, in seconds, of creates sent four at a time, each of which must succeed."""
    times: list[float] = []

    async def create_repeatedly() -> None:
        for _ in range(NORMAL // 4):
            began = time.monotonic()
            assert (await send(http, nginx.url, as_json(params(token, user_id)))).code == 200
            times.append(time.monotonic() - began)

    await asyncio.gather(*(create_repeatedly() for _ in range(4)))
    return median(times)


def service_connections(serve: Serve) -> int:
    """The number of open connections to the service."""
    port = int(serve.url.rpartition(":")[2])
    tcp_connections = psutil.net_connections("tcp")
    return sum(each.status == psutil.CONN_ESTABLISHED and each.laddr[1:] == (port,) for each in tcp_connections)


async def test_idle_connections(
    http: aiohttp.ClientSession, serve: Serve, nginx: Gateway, application: AppRecord, user_id: int
) -> None:
    """5,000 idle connections do not delay other callers, and do not reach the service."""

    async def keep() -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection("127.0.0.1", nginx.port)
        writer.write(UNKNOWN_PATH)
        await reader.readuntil(b"}")
        return writer

    alone = await usual_seconds(http, nginx, application.token, user_id)
    async with connections(IDLE, keep) as idle:
        beside_others = await usual_seconds(http, nginx, application.token, user_id)
        assert len(idle) == IDLE
        assert not any(writer.transport.is_closing() for writer in idle)
        assert service_connections(serve) < 100
    assert beside_others < alone * FACTOR + GRACE_SECONDS


async def test_slow_bodies(
    http: aiohttp.ClientSession, serve: Serve, nginx: Gateway, application: AppRecord, user_id: int
) -> None:
    """Bodies sent a byte at a time do not delay other callers, and do not reach the service."""
    started = asyncio.Event()

    async def begin() -> asyncio.StreamWriter:
        _, writer = await asyncio.open_connection("127.0.0.1", nginx.port)
        writer.write(SLOW_BODY.encode())
        return writer

    async def send_bytes(writers: Writers) -> None:
        while True:
            for writer in writers:
                writer.write(b" ")
            started.set()
            await asyncio.sleep(0.1)

    alone = await usual_seconds(http, nginx, application.token, user_id)
    async with connections(SLOW, begin) as slow:
        sender = asyncio.create_task(send_bytes(slow))
        await started.wait()
        beside_others = await usual_seconds(http, nginx, application.token, user_id)
        sender.cancel()
        assert len(slow) == SLOW
        assert not any(writer.transport.is_closing() for writer in slow)
        assert service_connections(serve) < 100
    assert beside_others < alone * FACTOR + GRACE_SECONDS


async def test_a_stalled_request_is_closed(nginx: Gateway) -> None:
    """A request that stalls in its headers or body is closed after 5 seconds and not passed on."""

    async def stall(begun: str) -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", nginx.port)
        writer.write(begun.encode())
        began = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        return time.monotonic() - began

    async with asyncio.timeout(10):
        seconds = await asyncio.gather(stall(SLOW_BODY), stall(SLOW_BODY[:60]))
    assert min(seconds) > 4
