"""`serve` as operators run it: started, signalled, killed, and started again."""

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
    """The pid of the embedded PostgreSQL in `folder`."""
    found = Postmaster.of(folder / ".data" / "postgres")
    assert found
    return found.pid


async def call(line: str) -> dict[str, object]:
    """Run the printed curl line in a shell. Returns the response body."""
    shell = await asyncio.create_subprocess_shell(line, stdout=asyncio.subprocess.PIPE)
    output, _ = await shell.communicate()
    answer: dict[str, object] = json.loads(output)
    return answer


async def ping(http: aiohttp.ClientSession, serve: Serve) -> int:
    """Send a ping on a new connection. Returns the HTTP code."""
    async with http.get(f"{serve.url}/ping") as response:
        return response.status


async def test_demo_prints_a_line_that_works_and_workers_share_the_socket(
    folder: Path, http: aiohttp.ClientSession
) -> None:
    """The printed curl line creates a requirement. While one worker is suspended, the other one responds."""
    async with serving(folder, "--demo") as serve:
        answer = await call(await serve.line("curl"))
        assert (answer["status"], answer["message"]) == ("action-successful", "The requirement is recorded.")
        workers = await serve.workers()
        for worker in workers:
            with serve.only(worker, workers):
                assert [await ping(http, serve) for _ in range(5)] == [200] * 5
    assert serve.errors == []


async def test_demo_ends_its_start_with_one_block(folder: Path, http: aiohttp.ClientSession) -> None:
    """After the last log line of the start, one block has the addresses, the tokens, the curl line and how to stop."""
    async with serving(folder, "--demo") as serve:
        await serve.line("Ctrl-C stops")
        start = next(number for number, line in enumerate(serve.output) if not line.startswith("{"))
        words = [line.split()[0] for line in serve.output[start:] if line]
        assert words == ["API", "console", "application", "session", "Create", "curl", "Ctrl-C"]
        ready = [line["event"] for line in serve.events if line["event"] in ("worker-ready", "console-ready")]
        assert sorted(ready) == ["console-ready", "worker-ready", "worker-ready"]
        assert await ping(http, serve) == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_every_process(folder: Path, http: aiohttp.ClientSession, number: signal.Signals) -> None:
    """On SIGTERM, and on SIGINT to the process group as by Ctrl-C, every process exits, with code 0."""
    async with serving(folder, "--demo") as serve:
        pids = [*await serve.workers(), postgres_of(folder)]
        assert await ping(http, serve) == 200
        started_at = time.monotonic()
        if number is signal.SIGTERM:
            os.kill(serve.pid, number)
        else:
            os.killpg(serve.pid, number)
        assert await serve.ended(12) == 0
        assert time.monotonic() - started_at < 12
        assert not any(map(alive, pids))
    assert serve.errors == []
    assert serve.events[-1]["event"] == "stopped"
    assert not any(line["event"] == "worker-killed" for line in serve.events)


async def test_signals_of_log_rotation_are_ignored(folder: Path, http: aiohttp.ClientSession) -> None:
    """SIGUSR1 and SIGUSR2 end no process: not the supervisor, a worker, or the console."""
    async with serving(folder, "--demo", environ={"WEB_CONCURRENCY": "1"}) as serve:
        (worker,) = await serve.workers(1)
        (console,) = await serve.event("console-ready")
        for pid in (serve.pid, worker, console["process"]):
            os.kill(pid, signal.SIGUSR1)
            os.kill(pid, signal.SIGUSR2)
        assert await ping(http, serve) == 200
        assert all(map(alive, (serve.pid, worker, console["process"], postgres_of(folder))))
        assert (await call(await serve.line("curl")))["status"] == "action-successful"
        assert await serve.stop() == 0
        assert not any(line["event"].endswith("-ended") for line in serve.events)


async def test_a_stop_does_not_wait_for_idle_connections(folder: Path) -> None:
    """An idle keep-alive connection does not delay the exit."""
    async with serving(folder, "--demo") as serve, aiohttp.ClientSession() as keep_alive:
        async with keep_alive.get(f"{serve.url}/ping") as response:
            assert response.headers.get("Connection") != "close"
        started_at = time.monotonic()
        assert await serve.stop() == 0
        assert time.monotonic() - started_at < 4


async def test_after_a_kill_of_the_supervisor_it_starts_again(folder: Path) -> None:
    """After SIGKILL of the supervisor, the workers and PostgreSQL exit. The next start works, with the same data."""
    async with serving(folder, "--demo") as serve:
        pids = [*await serve.workers(), postgres_of(folder)]
        first = await call(await serve.line("curl"))
        os.kill(serve.pid, signal.SIGKILL)
        assert await serve.ended() == -signal.SIGKILL
        await until(lambda: not any(map(alive, pids)), 8)
    async with serving(folder, "--demo") as again:
        second = await call(await again.line("curl"))
    assert [id_of(first), id_of(second)] == [7, 8]  # after the six of the demo


async def test_after_a_kill_of_every_process_it_starts_again(folder: Path) -> None:
    """After SIGKILL of every process, the next start works."""
    async with serving(folder, "--demo") as serve:
        for pid in [serve.pid, *await serve.workers(), postgres_of(folder)]:
            os.kill(pid, signal.SIGKILL)
        await serve.ended()
    async with serving(folder, "--demo") as again:
        assert (await call(await again.line("curl")))["status"] == "action-successful"


def id_of(answer: dict[str, object]) -> object:
    """The id of the requirement in a response."""
    assert isinstance(answer["data"], dict)
    return answer["data"]["id"]


async def test_a_killed_worker_is_replaced(folder: Path, http: aiohttp.ClientSession) -> None:
    """A killed worker is replaced, and the service responds meanwhile."""
    async with serving(folder, "--demo") as serve:
        first, second = await serve.workers()
        os.kill(first, signal.SIGKILL)
        assert await ping(http, serve) == 200
        third = (await serve.workers(3))[2]
        with serve.only(third, [second, third]):
            assert await ping(http, serve) == 200
        assert (await call(await serve.line("curl")))["status"] == "action-successful"


async def test_a_killed_postgres_is_started_again(folder: Path) -> None:
    """The embedded PostgreSQL is restarted at the same address."""
    async with serving(folder, "--demo") as serve:
        await serve.workers()
        os.kill(postgres_of(folder), signal.SIGKILL)
        await serve.event("postgres-restarted")
        assert (await call(await serve.line("curl")))["status"] == "action-successful"


async def test_a_second_service_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A second service on a taken port or data folder exits with one line. The first one's tokens stay valid."""
    async with serving(folder, "--demo") as serve:
        port = str(urlsplit(serve.url).port)
        async with started(tmp_path_factory.mktemp("other"), "--demo", environ={"PORT": port}) as other:
            assert await other.ended() == 1
        assert other.output == []
        (line,) = other.errors
        assert line == (
            f"requirements-service: 127.0.0.1:{port} is taken: stop the other process, or choose another PORT"
        )
        async with started(folder, "--demo") as other:
            assert await other.ended() == 1
        (line,) = other.errors
        assert f"another process (pid {serve.pid}) already runs the PostgreSQL kept in {folder}" in line
        assert (await call(await serve.line("curl")))["status"] == "action-successful"


async def test_the_port_is_a_setting(folder: Path) -> None:
    """PORT sets the port on which it listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with serving(folder, "--demo", environ={"PORT": str(port), "WEB_CONCURRENCY": "1"}) as serve:
        assert serve.url == f"http://127.0.0.1:{port}"
        assert (await serve.event("serving"))[0]["workers"] == 1


async def test_without_demo_pending_migrations_are_refused(folder: Path) -> None:
    """With pending migrations it does not start, and one line says what to do."""
    async with started(folder) as serve:
        assert await serve.ended() == 1
    (line,) = serve.errors
    names = ", ".join(map(str, load_migrations(resource("sql") / "migrations")))
    assert line == f"requirements-service: migrations are pending ({names}): run `requirements-service migrate`"


async def test_a_parser_in_python_is_logged(folder: Path) -> None:
    """Without aiohttp's C parser, each worker logs a warning and serves. With it, there is no warning."""
    async with serving(folder, "--demo", environ={"AIOHTTP_NO_EXTENSIONS": "1", "WEB_CONCURRENCY": "1"}) as serve:
        (line,) = await serve.event("python-parser")
    async with serving(folder, "--demo", environ={"WEB_CONCURRENCY": "1"}) as serve:
        assert [found["event"] for found in serve.events if found["event"] == "python-parser"] == []
    assert line["level"] == "warning"
