"""Stops of the service: keep-alive connections are answered until they close, within the time limits."""

import asyncio
import os
import pty
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from service.storage.demo import Demo
from tests.factories import CHANGES
from tests.serving.connection import Address, Connection, NoAnswerError
from tests.serving.load import assert_exactly_once, crowd, load, params
from tests.serving.postgres import Postgres
from tests.serving.process import Serve, alive, serving
from tests.serving.restarting import address_of, restartable

STOPPING = {"status": "unavailable", "checks": {"database": "ok", "migrations": "ok", "serving": "stopping"}}


@pytest.fixture
async def serve(postgres: Postgres, demo: Demo, tmp_path: Path) -> AsyncIterator[Serve]:
    """A service for one test, with a drain of 2 seconds."""
    assert demo.service_id
    async with restartable(tmp_path, postgres.url, 2.0) as serve:
        yield serve


async def test_a_stop_under_load(serve: Serve, postgres: Postgres, demo: Demo) -> None:
    """No request on a keep-alive connection fails. New connections are answered until they are refused."""
    async with load(demo, crowd(address_of(serve), "stop")) as history:
        serve.process.send_signal(signal.SIGTERM)
        before = len(history.acknowledged)
        assert await serve.ended() == 0
    assert len(history.acknowledged) > before + 50
    assert history.closing > 0
    refused = {
        value: reason for value, reason in history.failed.items() if reason.startswith("connecting: ConnectionRef")
    }
    # Accepted by the kernel, but not by a worker, when the last worker stopped listening.
    late = {value: reason for value, reason in history.failed.items() if reason.startswith("request 1 of")}
    assert history.failed == refused | late
    assert len(late) <= 4
    await assert_exactly_once(postgres, history)
    assert not any(line["event"] == "worker-killed" for line in serve.events)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["stop", "restart"])
async def test_waiting_for_changes_delays_nothing(serve: Serve, demo: Demo, number: signal.Signals) -> None:
    """A call that waits for a change is answered when its worker stops or is replaced."""
    params = {"token": demo.application_token, "wait_seconds": 30}
    async with aiohttp.ClientSession(serve.url) as http:

        async def call(after: str, seconds: int) -> tuple[int, bool, float]:
            began = time.monotonic()
            async with http.post(CHANGES, json={**params, "after": after, "wait_seconds": seconds}) as response:
                body = await response.json()
                closes = response.headers.get("Connection") == "close"
                cursors.append(body["data"]["next"])
                return response.status, closes, time.monotonic() - began

        cursors: list[str] = []
        await call("now", 0)
        waiting = [asyncio.create_task(call(cursors[0], 30)) for _ in range(8)]
        # The service has them when it has answered a call that was sent later.
        await call(cursors[0], 1)
        assert not any(task.done() for task in waiting)
        serve.process.send_signal(number)
        await serve.event("worker-stopping" if number is signal.SIGTERM else "worker-leaving", 2)
        async with asyncio.timeout(4):
            answers = await asyncio.gather(*waiting)
        assert [(code, closes) for code, closes, _ in answers] == [(200, True)] * 8
        assert cursors == [cursors[0]] * 10
    if number is signal.SIGTERM:
        assert await serve.ended() == 0
    assert not any(line["event"] == "worker-killed" for line in serve.events)


async def test_what_callers_see_of_a_stop(serve: Serve, demo: Demo) -> None:
    """At once, /ready is 503 and every response closes its connection. Then connections are refused."""
    address = address_of(serve)
    connections = [await Connection.to(address) for _ in range(2)]
    assert not any([(await connection.ask("GET", "/ping")).closes for connection in connections])
    serve.process.send_signal(signal.SIGTERM)
    await serve.event("worker-stopping", 2)
    ready = await connections[0].ask("GET", "/ready")
    assert (ready.code, ready.body, ready.closes) == (503, STOPPING, True)
    for connection in (connections[1], new := await Connection.to(address)):
        answer = await connection.create(params(demo, "stopping"))
        assert (answer.code, answer.body["status"], answer.closes) == (200, "action-successful", True)
    assert [await connection.closed(1) for connection in (*connections, new)] == [True] * 3
    assert await serve.ended() == 0
    await wait_until_refused(address)
    for connection in (*connections, new):
        await connection.close()


async def wait_until_refused(address: Address) -> None:
    """Wait until connections are refused."""
    with pytest.raises(NoAnswerError, match="ConnectionRefusedError"):
        await connect_until_an_error(address)


async def connect_until_an_error(address: Address) -> None:
    """Open connections in a loop."""
    while True:
        await (await Connection.to(address)).close()


async def test_a_request_in_progress_is_answered(serve: Serve, postgres: Postgres, demo: Demo) -> None:
    """A request that waits in the database during the stop is answered, and its response closes the connection."""
    connection = await Connection.to(address_of(serve))
    async with postgres.connection() as other:
        async with other.transaction():
            await other.execute("LOCK TABLE requirements")
            create = asyncio.create_task(connection.create(params(demo, "in progress")))
            await wait_for_a_lock(postgres)
            serve.process.send_signal(signal.SIGTERM)
            await serve.event("worker-stopping", 2)
        answer = await create
    assert (answer.code, answer.body["status"], answer.closes) == (200, "action-successful", True)
    assert await serve.ended() == 0
    await connection.close()


async def wait_for_a_lock(postgres: Postgres) -> None:
    """Wait until a statement waits for a lock."""
    async with postgres.connection() as connection:
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.02)


async def test_a_stop_is_in_time_while_the_database_is_locked(postgres: Postgres, demo: Demo, tmp_path: Path) -> None:
    """With the default timeouts, and creates that wait for a lock, every process exits within 12 s."""
    environ = {"DATABASE_URL": postgres.url, "REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false"}
    defaults = {"REQUIREMENTS__SERVER__DRAIN_SECONDS": ""}
    async with (
        serving(tmp_path, environ=environ | defaults) as serve,
        postgres.connection() as other,
        other.transaction(),
    ):
        workers = await serve.workers()
        await other.execute("LOCK TABLE requirements")
        async with load(demo, crowd(address_of(serve), "locked")) as history:
            serve.process.send_signal(signal.SIGTERM)
            started_at = time.monotonic()
            assert await serve.ended() == 0
            assert 5.5 < time.monotonic() - started_at < 12
    assert history.acknowledged == {}
    assert any(reason.startswith("500 ") for reason in history.failed.values())
    assert not any(map(alive, workers))


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A pseudo-terminal: its master end, which a person uses, and its slave end, which programs use."""
    master, slave = pty.openpty()
    yield master, slave
    for fd in (master, slave):
        try:
            os.close(fd)
        except OSError:
            continue


@pytest.mark.parametrize("way", ["ctrl-c", "closed"])
async def test_on_a_terminal_a_stop_is_fast(
    postgres: Postgres, demo: Demo, tmp_path: Path, terminal: tuple[int, int], way: str
) -> None:
    """On Ctrl-C, and when its terminal is closed, it stops without a drain."""
    assert demo.service_id
    master, slave = terminal
    environ = {"DATABASE_URL": postgres.url, "REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false"}
    defaults = {"REQUIREMENTS__SERVER__DRAIN_SECONDS": ""}
    async with serving(tmp_path, environ=environ | defaults, terminal=slave) as serve:
        workers = await serve.workers()
        started_at = time.monotonic()
        os.close(slave)
        if way == "closed":
            os.close(master)
        else:
            os.write(master, b"\x03")
        assert await serve.ended() == 0
        assert time.monotonic() - started_at < 4
    assert serve.events[-1]["event"] == "stopped"
    assert not any(line["event"].startswith("restart") for line in serve.events)
    assert not any(map(alive, workers))


async def test_on_an_open_terminal_sighup_restarts(
    postgres: Postgres, demo: Demo, tmp_path: Path, terminal: tuple[int, int]
) -> None:
    """With an open terminal, SIGHUP restarts the workers."""
    assert demo.service_id
    environ = {"DATABASE_URL": postgres.url, "REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false"}
    async with serving(tmp_path, environ=environ | {"WEB_CONCURRENCY": "1"}, terminal=terminal[1]) as serve:
        await serve.workers(1)
        serve.process.send_signal(signal.SIGHUP)
        await serve.event("restarted")


async def test_after_a_kill_of_the_supervisor_its_port_is_free(serve: Serve, demo: Demo) -> None:
    """The workers stop listening at once, and still answer on keep-alive connections."""
    address = address_of(serve)
    connection = await Connection.to(address)
    assert not (await connection.ask("GET", "/ping")).closes
    os.kill(serve.pid, signal.SIGKILL)
    await serve.event("worker-stopping", 2)
    await wait_until_refused(address)
    answer = await connection.create(params(demo, "orphaned"))
    assert (answer.code, answer.closes) == (200, True)
    await connection.close()
