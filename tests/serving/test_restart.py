"""Restarts by SIGHUP: what they reload, what they refuse, and what callers see."""

import asyncio
import itertools
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.storage.demo import Demo
from tests.serving.connection import Connection
from tests.serving.load import params
from tests.serving.postgres import Postgres
from tests.serving.process import REPOSITORY, Serve, alive, until
from tests.serving.restarting import address_of, restart, restartable, settings

DRAIN_SECONDS = 1.5


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code, which tests change."""
    folder = tmp_path_factory.mktemp("code")
    for name in ("service", "sql"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "config.yaml", folder)
    return folder


@pytest.fixture(scope="module")
async def serve(
    postgres: Postgres, demo: Demo, code: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Serve]:
    """One service with two workers for these tests. Each test leaves it running."""
    assert demo.service_id
    folder = tmp_path_factory.mktemp("serving")
    async with restartable(folder, postgres.url, DRAIN_SECONDS, environ={"PYTHONPATH": str(code)}) as serve:
        yield serve


@pytest.fixture(autouse=True)
async def console_ready(serve: Serve) -> None:
    """The console process has started: it reads the settings file, which tests change, only at its start.

    A restart replaces a console that is not ready yet, so not every restart has a `console-ready`.
    """
    await until(lambda: any(alive(line["process"]) for line in serve.events if line["event"] == "console-ready"))


async def restart_again(serve: Serve) -> None:
    """Restart it once more."""
    await restart(serve, 1 + count(serve, "restarted"))


def count(serve: Serve, name: str) -> int:
    """How many log lines have the event `name`."""
    return sum(line["event"] == name for line in serve.events)


async def refused_restart(serve: Serve) -> str:
    """Restart, and assert that it is refused with one log line and no new worker. Returns the reason."""
    before, lines = count(serve, "worker-ready"), len(serve.events)
    serve.process.send_signal(signal.SIGHUP)
    line = (await serve.event("restart-refused", 1 + count(serve, "restart-refused")))[-1]
    assert line["consequence"] == "the running workers keep serving"
    assert count(serve, "worker-ready") == before
    assert [line["event"] for line in serve.events[lines:] if line["level"] == "error"] == ["restart-refused"]
    reason: str = line["reason"]
    return reason


async def version(serve: Serve) -> str:
    """The version of a worker's code, from its OpenAPI document."""
    connection = await Connection.to(address_of(serve))
    answer = await connection.ask("GET", "/openapi.json")
    await connection.close()
    found: str = answer.body["info"]["version"]
    return found


async def test_keep_alive_connections_are_answered_and_then_closed(serve: Serve, demo: Demo) -> None:
    """A replaced worker answers the next request on each connection and closes it. /ready succeeds meanwhile.

    It waits for that request longer than the drain of a stop: a busy machine may delay it.
    """
    workers = await serve.workers()
    connections = {worker: await connections_to(serve, worker, workers) for worker in workers}
    serve.process.send_signal(signal.SIGHUP)
    (left,) = await serve.event("worker-leaving")
    first, second, idle = connections[left["worker"]]
    ready, create = await first.ask("GET", "/ready"), await second.create(params(demo, "kept"))
    assert (ready.code, ready.body["status"], ready.closes) == (200, "ok", True)
    assert (create.code, create.body["status"], create.closes) == (200, "action-successful", True)
    assert await first.closed(1)
    assert not await idle.closed(DRAIN_SECONDS + 1)
    late = await idle.create(params(demo, "late"))
    assert (late.code, late.body["status"], late.closes) == (200, "action-successful", True)
    for connection in connections.pop(left["worker"]):
        await connection.close()
    await serve.event("worker-leaving", 2)
    for connection in itertools.chain(*connections.values()):
        assert (await connection.ask("GET", "/ping")).closes
    await serve.event("restarted")
    for connection in itertools.chain(*connections.values()):
        await connection.close()


async def test_a_silent_connection_does_not_hold_a_replaced_worker(
    postgres: Postgres, demo: Demo, tmp_path: Path
) -> None:
    """A replaced worker closes a connection without requests after the keep-alive time, and exits."""
    assert demo.service_id
    async with restartable(tmp_path, postgres.url, 0.2, workers=1, keepalive=0.5) as serve:
        (worker,) = await serve.workers(1)
        silent = await Connection.to(address_of(serve))
        await restart(serve)
        assert await silent.closed(5)
        assert not alive(worker)
        await silent.close()


async def test_a_stop_does_not_wait_for_a_replaced_worker(postgres: Postgres, demo: Demo, tmp_path: Path) -> None:
    """While a replaced worker waits for a request, a stop takes as long as any stop."""
    assert demo.service_id
    async with restartable(tmp_path, postgres.url, 0.2, workers=1) as serve:
        idle = await Connection.to(address_of(serve))
        assert not (await idle.ask("GET", "/ping")).closes
        serve.process.send_signal(signal.SIGHUP)
        await serve.event("worker-leaving")
        await asyncio.wait_for(serve.stop(), 12)
        assert not any(map(alive, await serve.workers(2)))
        assert not any(line["event"] == "worker-killed" for line in serve.events)
        await idle.close()


async def connections_to(serve: Serve, worker: int, workers: list[int]) -> list[Connection]:
    """Three keep-alive connections to this worker."""
    with serve.only(worker, workers):
        connections = [await Connection.to(address_of(serve)) for _ in range(3)]
        assert [(await connection.ask("GET", "/ready")).closes for connection in connections] == [False] * 3
    return connections


async def test_new_code_is_loaded(serve: Serve, code: Path) -> None:
    """After a restart, the workers run the new code."""
    module = code / "service" / "__init__.py"
    before = module.read_text()
    module.write_text(before + '\n__version__ = "99.9.9"\n')
    assert await version(serve) != "99.9.9"
    await restart_again(serve)
    assert {await version(serve) for _ in range(6)} == {"99.9.9"}
    module.write_text(before)


async def test_new_settings_are_loaded(serve: Serve) -> None:
    """After a restart, the number of workers and their settings are the new ones."""
    before = count(serve, "worker-ready")
    settings(serve.folder, DRAIN_SECONDS, workers=3, more="mandrill: {recipients: [someone@example.com]}\n")
    await restart_again(serve)
    assert (await serve.event("no-emails", 3))[-1]["level"] == "warning"
    assert sum(map(alive, await serve.workers(before + 3))) == 3
    settings(serve.folder, DRAIN_SECONDS, workers=1)
    await restart_again(serve)
    assert sum(map(alive, await serve.workers(before + 4))) == 1
    settings(serve.folder, DRAIN_SECONDS)


async def test_signals_during_a_restart_cause_one_more(serve: Serve) -> None:
    """Any number of signals during a restart cause one restart after it."""
    restarts = count(serve, "restarting")
    serve.process.send_signal(signal.SIGHUP)
    await serve.event("restarting", restarts + 1)
    for _ in range(3):
        os.kill(serve.pid, signal.SIGHUP)
        await version(serve)
    await serve.event("restarted", restarts + 2, 60)
    await restart_again(serve)
    assert count(serve, "restarting") == restarts + 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("server: {workers: none}", "server.workers: not a valid integer"),
        ("server: [", "is not valid YAML"),
        ("server: {drain_seconds: 11}", "server.drain_seconds: must be at most 10 together with"),
        ("server: {host: localhost}", "server: SIGHUP cannot change the host or port: stop and start the service"),
        ("associations: {Order: nowhere}", "associations.Order: public.nowhere is not a table in this database"),
    ],
)
async def test_bad_settings_keep_the_workers(serve: Serve, text: str, reason: str) -> None:
    """Invalid settings, or settings that do not fit the database, change nothing. One log line has the reason."""
    (serve.folder / "config.yaml").write_text(text)
    assert reason in await refused_restart(serve)
    assert await version(serve)
    settings(serve.folder, DRAIN_SECONDS)


async def test_code_that_does_not_work_keeps_the_workers(serve: Serve, code: Path) -> None:
    """If a new worker exits before it is ready, no other is started. After the code is fixed, a restart works."""
    module = code / "service" / "serving" / "worker.py"
    before = module.read_text()
    module.write_text("raise SystemExit('broken')\n")
    assert await refused_restart(serve) == "a new worker did not become ready"
    assert await version(serve)
    module.write_text(before)
    await restart_again(serve)


async def test_the_console_is_replaced(serve: Serve) -> None:
    """The process of the internal listener is replaced at the same address."""
    consoles = [line["process"] for line in await serve.event("console-ready")]
    await restart_again(serve)
    await serve.event("console-ready", len(consoles) + 1)
    assert not any(map(alive, consoles))
    assert len(await serve.event("console-listening")) == 1


async def test_a_stop_during_a_restart_stops_all(serve: Serve) -> None:
    """A stop while workers start and stop leaves no process running."""
    serve.process.send_signal(signal.SIGHUP)
    await serve.event("restarting", count(serve, "restarting") + 1)
    await asyncio.wait_for(serve.stop(), 12)
    assert not any(map(alive, await serve.workers(2)))
    assert serve.process.returncode == 0
