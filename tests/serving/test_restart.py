"""What a restart by SIGHUP takes up, what it refuses, and what callers see of it."""

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
from tests.serving.process import REPOSITORY, Serve, alive
from tests.serving.restarting import address_of, restart, restartable, settings

DRAIN_SECONDS = 1.5


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is served from, to be changed."""
    folder = tmp_path_factory.mktemp("code")
    for name in ("service", "sql"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "config.yaml", folder)
    return folder


@pytest.fixture(scope="module")
async def serve(
    postgres: Postgres, demo: Demo, code: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Serve]:
    """One service for these tests, of two workers; each leaves it running."""
    assert demo.service_id
    place = tmp_path_factory.mktemp("place")
    async with restartable(place, postgres.url, DRAIN_SECONDS, environ={"PYTHONPATH": str(code)}) as serve:
        yield serve


async def again(serve: Serve) -> None:
    """Restart it once more."""
    await restart(serve, 1 + told(serve, "restarted"))


def told(serve: Serve, name: str) -> int:
    """How many log lines there are of that name."""
    return sum(line["event"] == name for line in serve.events)


async def refused(serve: Serve) -> str:
    """Why a restart is refused: the one line about it, while the workers are the same as before."""
    before, lines = told(serve, "worker-ready"), len(serve.events)
    serve.process.send_signal(signal.SIGHUP)
    line = (await serve.event("restart-refused", 1 + told(serve, "restart-refused")))[-1]
    assert line["consequence"] == "the workers that run serve on"
    assert told(serve, "worker-ready") == before
    assert [line["event"] for line in serve.events[lines:] if line["level"] == "error"] == ["restart-refused"]
    reason: str = line["reason"]
    return reason


async def version(serve: Serve) -> str:
    """What a worker says of its own code."""
    connection = await Connection.to(address_of(serve))
    answer = await connection.ask("GET", "/openapi.json")
    await connection.close()
    said: str = answer.body["info"]["version"]
    return said


async def test_kept_connections_are_answered_and_then_closed(serve: Serve, demo: Demo) -> None:
    """The next request on a connection to a worker that leaves is answered, closing it; /ready is well all along."""
    workers = await serve.workers()
    kept = {worker: await kept_by(serve, worker, workers) for worker in workers}
    serve.process.send_signal(signal.SIGHUP)
    (left,) = await serve.event("worker-leaving")
    first, second, idle = kept[left["worker"]]
    ready, create = await first.ask("GET", "/ready"), await second.create(params(demo, "kept"))
    assert (ready.code, ready.body["status"], ready.closes) == (200, "ok", True)
    assert (create.code, create.body["status"], create.closes) == (200, "action-successful", True)
    assert await first.closed(1)
    assert await idle.closed(5)
    await serve.event("restarted")
    for connection in itertools.chain(*kept.values()):
        await connection.close()


async def kept_by(serve: Serve, worker: int, workers: list[int]) -> list[Connection]:
    """Connections that this worker answers on and keeps."""
    with serve.only(worker, workers):
        connections = [await Connection.to(address_of(serve)) for _ in range(3)]
        assert [(await connection.ask("GET", "/ready")).closes for connection in connections] == [False] * 3
    return connections


async def test_new_code_is_taken_up(serve: Serve, code: Path) -> None:
    """After a restart the workers run what the code says now."""
    module = code / "service" / "__init__.py"
    before = module.read_text()
    module.write_text(before + '\n__version__ = "99.9.9"\n')
    assert await version(serve) != "99.9.9"
    await again(serve)
    assert {await version(serve) for _ in range(6)} == {"99.9.9"}
    module.write_text(before)


async def test_new_settings_are_taken_up(serve: Serve) -> None:
    """After a restart there are as many workers as the settings say now, and they keep to the new limits."""
    alike = told(serve, "worker-ready")
    settings(serve.folder, DRAIN_SECONDS, workers=3, more="mandrill: {recipients: [someone@example.com]}\n")
    await again(serve)
    assert (await serve.event("no-emails", 3))[-1]["level"] == "warning"
    assert sum(map(alive, await serve.workers(alike + 3))) == 3
    settings(serve.folder, DRAIN_SECONDS, workers=1)
    await again(serve)
    assert sum(map(alive, await serve.workers(alike + 4))) == 1
    settings(serve.folder, DRAIN_SECONDS)


async def test_what_is_ordered_meanwhile_is_one_more(serve: Serve) -> None:
    """Any number of signals during a restart make one restart after it."""
    rounds = told(serve, "restarting")
    serve.process.send_signal(signal.SIGHUP)
    await serve.event("restarting", rounds + 1)
    for _ in range(3):
        os.kill(serve.pid, signal.SIGHUP)
        await version(serve)
    await serve.event("restarted", rounds + 2, 60)
    await again(serve)
    assert told(serve, "restarting") == rounds + 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("server: {workers: none}", "server.workers: not a valid integer"),
        ("server: [", "is not valid YAML"),
        ("server: {drain_seconds: 11}", "server.drain_seconds: must be at most 10 together with"),
        ("server: {host: localhost}", "server: another host or port takes a stop and a start"),
        ("associations: {Order: nowhere}", "associations.Order: nowhere is not a table in this database"),
    ],
)
async def test_bad_settings_keep_the_workers(serve: Serve, text: str, reason: str) -> None:
    """Settings that do not fit, here or in the database, change nothing: one line says why."""
    (serve.folder / "config.yaml").write_text(text)
    assert reason in await refused(serve)
    assert await version(serve)
    settings(serve.folder, DRAIN_SECONDS)


async def test_code_that_does_not_work_keeps_the_workers(serve: Serve, code: Path) -> None:
    """A new worker that ends before it serves is the last one tried; once the code is mended a restart works."""
    module = code / "service" / "serving" / "worker.py"
    before = module.read_text()
    module.write_text("raise SystemExit('broken')\n")
    assert await refused(serve) == "a new worker did not become ready"
    assert await version(serve)
    module.write_text(before)
    await again(serve)


async def test_the_console_is_followed_by_a_fresh_one(serve: Serve) -> None:
    """The internal listener's process is replaced too, at the same address."""
    consoles = [line["process"] for line in await serve.event("console-ready")]
    await again(serve)
    await serve.event("console-ready", len(consoles) + 1)
    assert not any(map(alive, consoles))
    assert len(await serve.event("console-listening")) == 1


async def test_an_end_during_a_restart_ends_all(serve: Serve) -> None:
    """A stop while workers start and leave leaves nobody behind."""
    serve.process.send_signal(signal.SIGHUP)
    await serve.event("restarting", told(serve, "restarting") + 1)
    await asyncio.wait_for(serve.stop(), 12)
    assert not any(map(alive, await serve.workers(2)))
    assert serve.process.returncode == 0
