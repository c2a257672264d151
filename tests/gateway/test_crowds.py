"""Thousands of connections that do nothing, and bodies that come slowly, hurt nobody else."""

import asyncio
import contextlib
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import aiohttp
import psutil
import pytest

from tests.factories import CREATE, AppRecord, params
from tests.gateway.comparing import as_json, send
from tests.gateway.nginx import Gateway
from tests.serving.process import Serve

IDLE = 5000
SLOW = 300
HONEST = 300

# The others may take the machine's time, not more: nobody waits for any of them.
FACTOR = 5
GRACE_SECONDS = 0.1

NOWHERE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW_BODY = f"POST {CREATE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n"

Writers = list[asyncio.StreamWriter]


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """As many open files as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.asynccontextmanager
async def connections(number: int, connect: Callable[[], Awaitable[asyncio.StreamWriter]]) -> AsyncIterator[Writers]:
    """That many connections, made a hundred at a time; closed at the end."""
    writers: Writers = []
    try:
        while len(writers) < number:
            writers += await asyncio.gather(*(connect() for _ in range(100)))
        yield writers
    finally:
        for writer in writers:
            writer.close()


async def honest(http: aiohttp.ClientSession, nginx: Gateway, token: str, user_id: int) -> float:
    """The 99th percentile in seconds of creates, a few at a time, each of which succeeds."""
    times: list[float] = []

    async def ask() -> None:
        for _ in range(HONEST // 4):
            began = time.monotonic()
            assert (await send(http, nginx.url, as_json(params(token, user_id)))).code == 200
            times.append(time.monotonic() - began)

    await asyncio.gather(*(ask() for _ in range(4)))
    return sorted(times)[int(len(times) * 0.99)]


def at_the_service(serve: Serve) -> int:
    """How many connections there are to it."""
    port = int(serve.url.rpartition(":")[2])
    there = psutil.net_connections("tcp")
    return sum(each.status == psutil.CONN_ESTABLISHED and each.laddr[1:] == (port,) for each in there)


async def test_idle_connections(
    http: aiohttp.ClientSession, serve: Serve, nginx: Gateway, application: AppRecord, user_id: int
) -> None:
    """5,000 callers keep their connection and ask nothing: others are answered as before, the service sees none."""

    async def keep() -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection("127.0.0.1", nginx.port)
        writer.write(NOWHERE)
        await reader.readuntil(b"}")
        return writer

    alone = await honest(http, nginx, application.token, user_id)
    async with connections(IDLE, keep) as kept:
        among = await honest(http, nginx, application.token, user_id)
        assert len(kept) == IDLE
        assert not any(writer.transport.is_closing() for writer in kept)
        assert at_the_service(serve) < 100
    assert among < alone * FACTOR + GRACE_SECONDS


async def test_slow_bodies(
    http: aiohttp.ClientSession, serve: Serve, nginx: Gateway, application: AppRecord, user_id: int
) -> None:
    """Bodies that come a byte at a time wait at nginx: others are answered as before, the service sees none."""
    dripping = asyncio.Event()

    async def begin() -> asyncio.StreamWriter:
        _, writer = await asyncio.open_connection("127.0.0.1", nginx.port)
        writer.write(SLOW_BODY.encode())
        return writer

    async def drip(writers: Writers) -> None:
        while True:
            for writer in writers:
                writer.write(b" ")
            dripping.set()
            await asyncio.sleep(0.1)

    alone = await honest(http, nginx, application.token, user_id)
    async with connections(SLOW, begin) as slow:
        dropping = asyncio.create_task(drip(slow))
        await dripping.wait()
        among = await honest(http, nginx, application.token, user_id)
        dropping.cancel()
        assert len(slow) == SLOW
        assert not any(writer.transport.is_closing() for writer in slow)
        assert at_the_service(serve) < 100
    assert among < alone * FACTOR + GRACE_SECONDS


async def test_what_stalls_is_let_go(nginx: Gateway) -> None:
    """A request that stops coming, in its headers or in its body, is dropped after 5 seconds, never passed on."""

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
