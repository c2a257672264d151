"""The pool of connections, threads, forks, and the end of a client."""

import asyncio
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.client import AsyncRequirements, NoResponse, Reference, Requirements
from tests.client.gateway import Gateway, say_nothing, url_through
from tests.factories import AppRecord, Records
from tests.proxy import proxied
from tests.serving.process import REPOSITORY, environment


async def test_one_pool_for_all_calls(service_url: str, application: AppRecord, user: Reference) -> None:
    """Calls in turn share one connection, concurrent ones take at most `max_connections`, and `close` ends all."""
    async with proxied(service_url) as proxy:
        client = AsyncRequirements(url_through(proxy), application.token, max_connections=3)
        for _ in range(5):
            await client.create(user, user)
            assert proxy.connections == 1
        made = await asyncio.gather(*(client.create(user, user) for _ in range(40)))
        assert len({record.id for record in made}) == 40
        assert proxy.connections == 3
        await client.close()
        async with asyncio.timeout(3):
            while proxy.connections:
                await asyncio.sleep(0)


async def test_waiting_for_a_connection_is_within_the_deadline(
    gateway: Gateway, application: AppRecord, user: Reference
) -> None:
    """A call that finds no free connection before its deadline raises `NoResponse`, with the outcome none."""
    gateway.faults.append(say_nothing)
    async with AsyncRequirements(gateway.url, application.token, deadline_seconds=0.5, max_connections=1) as client:
        following = asyncio.create_task(anext(client.changes(wait_seconds=10)))
        while not gateway.received:
            await asyncio.sleep(0)
        with pytest.raises(NoResponse, match="no connection was free") as caught:
            await client.create(user, user)
        following.cancel()
        await asyncio.wait([following])
    assert caught.value.outcome == "none"
    assert len(gateway.received) == 1


async def test_a_cancelled_call_frees_its_connection(gateway: Gateway, application: AppRecord, user: Reference) -> None:
    """A call that its task cancels leaves the pool usable."""
    async with AsyncRequirements(gateway.url, application.token, max_connections=1) as client:
        for _ in range(3):
            gateway.faults.append(say_nothing)
            waiting = len(gateway.received)
            task = asyncio.create_task(client.create(user, user))
            while len(gateway.received) == waiting:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (await client.create(user, user)).required == user


async def test_threads_share_a_client(
    service_url: str, application: AppRecord, records: Records, user: Reference
) -> None:
    """Threads that share a blocking client get their own results."""

    def create_all() -> list[str | None]:
        with Requirements(service_url, application.token) as client, ThreadPoolExecutor(8) as threads:
            made = threads.map(lambda value: client.create(user, user, value=str(value)).value, range(80))
            return list(made)

    assert await asyncio.to_thread(create_all) == [str(value) for value in range(80)]
    assert await records.count() == 80


async def test_a_closed_client(requirements: AsyncRequirements, service_url: str) -> None:
    """A closed client refuses calls, its thread has ended, and closing it again does nothing."""
    with Requirements(service_url, "token") as blocking:
        assert [thread.name for thread in threading.enumerate()].count("requirements-client") == 1
    blocking.close()
    assert "requirements-client" not in [thread.name for thread in threading.enumerate()]
    with pytest.raises(RuntimeError, match="the client was closed"):
        blocking.read(1)
    await requirements.close()
    with pytest.raises(RuntimeError, match="closed"):
        await requirements.read(1)


FORKING = """
import os, sys, threading
from service.client import Reference, Requirements

url, token, user = sys.argv[1], sys.argv[2], Reference("User", int(sys.argv[3]))
with Requirements(url, token) as client:
    client.create(user, user, value="parent")
    child = os.fork()
    if child == 0:
        client.create(user, user, value="child")
        client.close()
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    client.create(user, user, value="parent again")
sys.exit(code)
"""

# A shell starts background processes, and so their children, with SIGINT ignored.
INTERRUPTED = """
import signal
import sys
from service.client import Reference, Requirements

signal.signal(signal.SIGINT, signal.default_int_handler)
url, token, user = sys.argv[1], sys.argv[2], Reference("User", int(sys.argv[3]))
with Requirements(url, token) as client:
    try:
        client.create(user, user, value="interrupted")
    except KeyboardInterrupt:
        print("interrupted", client.create(user, user, value="after").value)
"""


async def start(script: str, url: str, application: AppRecord, user: Reference) -> asyncio.subprocess.Process:
    """Run a script in a process of its own."""
    arguments = (script, url, application.token, str(user.id))
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        "-c",
        *arguments,
        cwd=REPOSITORY,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
    )


async def test_a_forked_process_has_its_own_connections(
    service_url: str, application: AppRecord, records: Records, user: Reference
) -> None:
    """A client that was made before a fork works in both processes."""
    process = await start(FORKING, service_url, application, user)
    async with asyncio.timeout(20):
        assert await process.wait() == 0
    rows = await records.connection.fetch("SELECT value FROM requirements ORDER BY id")
    assert [row["value"] for row in rows] == ["parent", "child", "parent again"]


async def test_an_interrupted_call(gateway: Gateway, application: AppRecord, user: Reference) -> None:
    """Ctrl-C ends a blocking call at once, and the client stays usable."""
    gateway.faults.append(say_nothing)
    process = await start(INTERRUPTED, gateway.url, application, user)
    async with asyncio.timeout(20):
        while not gateway.received:
            await asyncio.sleep(0)
        process.send_signal(signal.SIGINT)
        output, _ = await process.communicate()
    assert (process.returncode, output) == (0, b"interrupted after\n")
