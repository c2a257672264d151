"""`serve` as people run it: started, signalled, killed, and started again."""

import asyncio
import json
import os
import signal
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from service.config.resources import resource
from service.database.migrations import load_migrations
from service.embedded_postgres.data_folder import Postmaster
from tests.serving.process import Serve, alive, serving, started, until


def postgres_of(folder: Path) -> int:
    """The pid of the embedded PostgreSQL that runs there."""
    found = Postmaster.of(folder / ".data" / "postgres")
    assert found
    return found.pid


async def call(line: str) -> dict[str, object]:
    """What a shell gets that runs the printed line."""
    shell = await asyncio.create_subprocess_shell(line, stdout=asyncio.subprocess.PIPE)
    output, _ = await shell.communicate()
    answer: dict[str, object] = json.loads(output)
    return answer


async def pings(http: aiohttp.ClientSession, serve: Serve) -> int:
    """The HTTP code of a ping on a connection of its own."""
    async with http.get(f"{serve.url}/ping") as response:
        return response.status


async def test_demo_prints_a_line_that_works_and_workers_share_the_socket(
    folder: Path, http: aiohttp.ClientSession
) -> None:
    """The curl line creates a requirement; with either worker halted the other one answers."""
    async with serving(folder, "--demo") as serve:
        answer = await call(await serve.line("curl"))
        assert (answer["status"], answer["message"]) == ("action-successful", "The requirement is recorded.")
        workers = await serve.workers()
        for worker in workers:
            with serve.only(worker, workers):
                assert [await pings(http, serve) for _ in range(5)] == [200] * 5
    assert serve.errors == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_to_stop_ends_all_of_it(
    folder: Path, http: aiohttp.ClientSession, number: signal.Signals
) -> None:
    """On SIGTERM, and on Ctrl-C, which reaches the whole group, everything ends with exit 0."""
    async with serving(folder, "--demo") as serve:
        pids = [*await serve.workers(), postgres_of(folder)]
        assert await pings(http, serve) == 200
        began = time.monotonic()
        if number is signal.SIGTERM:
            os.kill(serve.pid, number)
        else:
            os.killpg(serve.pid, number)
        assert await serve.ended(12) == 0
        assert time.monotonic() - began < 12
        assert not any(map(alive, pids))
    assert serve.errors == []
    assert serve.events[-1]["event"] == "stopped"
    assert not any(line["event"] == "worker-killed" for line in serve.events)


async def test_a_stop_does_not_wait_for_idle_connections(folder: Path) -> None:
    """A keep-alive connection nobody uses does not hold up the end."""
    async with serving(folder, "--demo") as serve, aiohttp.ClientSession() as keeping:
        async with keeping.get(f"{serve.url}/ping") as response:
            assert response.headers.get("Connection") != "close"
        began = time.monotonic()
        assert await serve.stop() == 0
        assert time.monotonic() - began < 4


async def test_killed_it_takes_workers_and_postgres_along_and_starts_again(folder: Path) -> None:
    """After kill -9 of the supervisor the rest ends by itself; the next start just works, on the data there was."""
    async with serving(folder, "--demo") as serve:
        pids = [*await serve.workers(), postgres_of(folder)]
        first = await call(await serve.line("curl"))
        os.kill(serve.pid, signal.SIGKILL)
        assert await serve.ended() == -signal.SIGKILL
        await until(lambda: not any(map(alive, pids)), 8)
    async with serving(folder, "--demo") as again:
        second = await call(await again.line("curl"))
    assert [identity(first), identity(second)] == [1, 2]


async def test_killed_all_at_once_it_starts_again(folder: Path) -> None:
    """After kill -9 of every process of it, the next start just works."""
    async with serving(folder, "--demo") as serve:
        for pid in [serve.pid, *await serve.workers(), postgres_of(folder)]:
            os.kill(pid, signal.SIGKILL)
        await serve.ended()
    async with serving(folder, "--demo") as again:
        assert (await call(await again.line("curl")))["status"] == "action-successful"


def identity(answer: dict[str, object]) -> object:
    """The id of the record that an answer tells."""
    assert isinstance(answer["data"], dict)
    return answer["data"]["id"]


async def test_a_killed_worker_is_replaced(folder: Path, http: aiohttp.ClientSession) -> None:
    """Another worker takes the place of one that was killed; the service answers all the while."""
    async with serving(folder, "--demo") as serve:
        first, second = await serve.workers()
        os.kill(first, signal.SIGKILL)
        assert await pings(http, serve) == 200
        third = (await serve.workers(3))[2]
        with serve.only(third, [second, third]):
            assert await pings(http, serve) == 200
        assert (await call(await serve.line("curl")))["status"] == "action-successful"


async def test_a_killed_postgres_is_started_again(folder: Path) -> None:
    """The embedded PostgreSQL comes back by itself, at the same address."""
    async with serving(folder, "--demo") as serve:
        await serve.workers()
        os.kill(postgres_of(folder), signal.SIGKILL)
        await serve.event("postgres-restarted")
        assert (await call(await serve.line("curl")))["status"] == "action-successful"


async def test_a_second_one_does_no_harm(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """On a taken port, and on a data folder in use, a second one says so and exits; the first one's tokens live."""
    async with serving(folder, "--demo") as serve:
        port = str(urlsplit(serve.url).port)
        async with started(tmp_path_factory.mktemp("other"), "--demo", environ={"PORT": port}) as other:
            assert await other.ended() == 1
        assert other.output == []
        (line,) = other.errors
        assert line == (
            f"requirements-service: 127.0.0.1:{port} is taken: stop what listens there, or choose another PORT"
        )
        async with started(folder, "--demo") as other:
            assert await other.ended() == 1
        (line,) = other.errors
        assert f"another process (pid {serve.pid}) already runs the PostgreSQL kept in {folder}" in line
        assert (await call(await serve.line("curl")))["status"] == "action-successful"


async def test_a_given_port_is_the_one(folder: Path) -> None:
    """PORT says where it listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with serving(folder, "--demo", environ={"PORT": str(port), "WEB_CONCURRENCY": "1"}) as serve:
        assert serve.url == f"http://127.0.0.1:{port}"
        assert (await serve.event("serving"))[0]["workers"] == 1


async def test_without_demo_pending_migrations_are_refused(folder: Path) -> None:
    """A database whose migrations are pending is not served from: one line says what to do."""
    async with started(folder) as serve:
        assert await serve.ended() == 1
    (line,) = serve.errors
    names = ", ".join(map(str, load_migrations(resource("sql") / "migrations")))
    assert line == f"requirements-service: migrations are pending ({names}): run `requirements-service migrate`"


async def test_a_parser_in_python_is_told(folder: Path) -> None:
    """Without aiohttp's C parser each worker says so in the log, and serves; with it nothing is said."""
    async with serving(folder, "--demo", environ={"AIOHTTP_NO_EXTENSIONS": "1", "WEB_CONCURRENCY": "1"}) as serve:
        (line,) = await serve.event("python-parser")
    async with serving(folder, "--demo", environ={"WEB_CONCURRENCY": "1"}) as serve:
        assert [found["event"] for found in serve.events if found["event"] == "python-parser"] == []
    assert line["level"] == "warning"
