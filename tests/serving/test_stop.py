"""Stopping the service: who keeps a connection is answered to the end, and the end comes in time."""

import asyncio
import os
import pty
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from service.storage.demo import Demo
from tests.serving.connection import Address, Connection, NoAnswerError
from tests.serving.load import assert_exactly_once, crowd, load, params
from tests.serving.postgres import Postgres
from tests.serving.process import Serve, alive, serving
from tests.serving.restarting import address_of, restartable

STOPPING = {"status": "unavailable", "checks": {"database": "ok", "migrations": "ok", "serving": "stopping"}}


@pytest.fixture
async def serve(postgres: Postgres, demo: Demo, tmp_path: Path) -> AsyncIterator[Serve]:
    """A service of the test's own with time to drain."""
    assert demo.service_id
    async with restartable(tmp_path, postgres.url, 2.0) as serve:
        yield serve


async def test_a_stop_under_load(serve: Serve, postgres: Postgres, demo: Demo) -> None:
    """No request on a kept connection fails; fresh ones are answered until nobody listens any more."""
    async with load(demo, crowd(address_of(serve), "stop")) as history:
        serve.process.send_signal(signal.SIGTERM)
        before = len(history.acknowledged)
        assert await serve.ended() == 0
    assert len(history.acknowledged) > before + 50
    assert history.closing > 0
    refused = {
        value: reason for value, reason in history.failed.items() if reason.startswith("connecting: ConnectionRef")
    }
    # One that was accepted by the kernel alone when the last worker stopped listening.
    late = {value: reason for value, reason in history.failed.items() if reason.startswith("request 1 of")}
    assert history.failed == refused | late
    assert len(late) <= 4
    await assert_exactly_once(postgres, history)
    assert not any(line["event"] == "worker-killed" for line in serve.events)


async def test_what_callers_see_of_a_stop(serve: Serve, demo: Demo) -> None:
    """At once /ready is 503 and every answer closes its connection, on kept and on new ones; then nobody listens."""
    address = address_of(serve)
    kept = [await Connection.to(address) for _ in range(2)]
    assert not any([(await connection.ask("GET", "/ping")).closes for connection in kept])
    serve.process.send_signal(signal.SIGTERM)
    await serve.event("worker-stopping", 2)
    told = await kept[0].ask("GET", "/ready")
    assert (told.code, told.body, told.closes) == (503, STOPPING, True)
    for connection in (kept[1], fresh := await Connection.to(address)):
        answer = await connection.create(params(demo, "stopping"))
        assert (answer.code, answer.body["status"], answer.closes) == (200, "action-successful", True)
    assert [await connection.closed(1) for connection in (*kept, fresh)] == [True] * 3
    assert await serve.ended() == 0
    await refuses(address)
    for connection in (*kept, fresh):
        await connection.close()


async def refuses(address: Address) -> None:
    """Wait until nobody listens there."""
    with pytest.raises(NoAnswerError, match="ConnectionRefusedError"):
        await reach_as_long_as_one_can(address)


async def reach_as_long_as_one_can(address: Address) -> None:
    """Connect again and again."""
    while True:
        await (await Connection.to(address)).close()


async def test_what_is_under_way_is_answered(serve: Serve, postgres: Postgres, demo: Demo) -> None:
    """A request that the stop finds waiting in the database is answered, and that answer closes its connection."""
    connection = await Connection.to(address_of(serve))
    async with postgres.connection() as other:
        async with other.transaction():
            await other.execute("LOCK TABLE requirements")
            asked = asyncio.create_task(connection.create(params(demo, "under way")))
            await locked_out(postgres)
            serve.process.send_signal(signal.SIGTERM)
            await serve.event("worker-stopping", 2)
        answer = await asked
    assert (answer.code, answer.body["status"], answer.closes) == (200, "action-successful", True)
    assert await serve.ended() == 0
    await connection.close()


async def locked_out(postgres: Postgres) -> None:
    """Wait until a statement waits for a lock."""
    async with postgres.connection() as connection:
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.02)


async def test_all_ends_in_time_whatever_the_database_does(postgres: Postgres, demo: Demo, tmp_path: Path) -> None:
    """With the shipped times, and creates that get nowhere arriving to the last, everything ends within 12 s."""
    environ = {"DATABASE_URL": postgres.url, "REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false"}
    shipped = {"REQUIREMENTS__SERVER__DRAIN_SECONDS": ""}
    async with (
        serving(tmp_path, environ=environ | shipped) as serve,
        postgres.connection() as other,
        other.transaction(),
    ):
        workers = await serve.workers()
        await other.execute("LOCK TABLE requirements")
        async with load(demo, crowd(address_of(serve), "locked")) as history:
            serve.process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert await serve.ended() == 0
            assert 5.5 < time.monotonic() - began < 12
    assert history.acknowledged == {}
    assert any(reason.startswith("500 ") for reason in history.failed.values())
    assert not any(map(alive, workers))


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A terminal: the end that a person sits at, and the one that programs have."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    for fd in (ours, theirs):
        try:
            os.close(fd)
        except OSError:
            continue


@pytest.mark.parametrize("way", ["ctrl-c", "closed"])
async def test_a_terminal_does_not_wait_for_a_gateway(
    postgres: Postgres, demo: Demo, tmp_path: Path, terminal: tuple[int, int], way: str
) -> None:
    """On Ctrl-C, and when its terminal is closed, it ends at once: the time for gateways is not for people."""
    assert demo.service_id
    ours, theirs = terminal
    environ = {"DATABASE_URL": postgres.url, "REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false"}
    shipped = {"REQUIREMENTS__SERVER__DRAIN_SECONDS": ""}
    async with serving(tmp_path, environ=environ | shipped, terminal=theirs) as serve:
        workers = await serve.workers()
        began = time.monotonic()
        os.close(theirs)
        if way == "closed":
            os.close(ours)
        else:
            os.write(ours, b"\x03")
        assert await serve.ended() == 0
        assert time.monotonic() - began < 4
    assert serve.events[-1]["event"] == "stopped"
    assert not any(line["event"].startswith("restart") for line in serve.events)
    assert not any(map(alive, workers))


async def test_a_signal_on_a_terminal_that_is_there_restarts(
    postgres: Postgres, demo: Demo, tmp_path: Path, terminal: tuple[int, int]
) -> None:
    """SIGHUP that does not come from a closing terminal is a restart also where there is a terminal."""
    assert demo.service_id
    environ = {"DATABASE_URL": postgres.url, "REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false"}
    async with serving(tmp_path, environ=environ | {"WEB_CONCURRENCY": "1"}, terminal=terminal[1]) as serve:
        await serve.workers(1)
        serve.process.send_signal(signal.SIGHUP)
        await serve.event("restarted")


async def test_a_killed_supervisor_leaves_its_port(serve: Serve, demo: Demo) -> None:
    """Its workers stop listening at once, so that it can be started again, and still answer on kept connections."""
    address = address_of(serve)
    kept = await Connection.to(address)
    assert not (await kept.ask("GET", "/ping")).closes
    os.kill(serve.pid, signal.SIGKILL)
    await serve.event("worker-stopping", 2)
    await refuses(address)
    answer = await kept.create(params(demo, "orphaned"))
    assert (answer.code, answer.closes) == (200, True)
    await kept.close()
