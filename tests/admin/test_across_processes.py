"""/metrics of the real service: right across workers, and whatever process ends."""

import os
import signal
import socket
from pathlib import Path

import aiohttp

from tests.admin.conftest import Watched, settings
from tests.admin.scraping import Scrape, scrape, scrape_until
from tests.factories import CREATE
from tests.serving.process import alive, serving, until


async def ask_each_worker(service: Watched, workers: list[int], times: int) -> None:
    """Have every worker answer as many pings and creates."""
    for worker in workers:
        with service.serve.only(worker, workers):
            for _ in range(times):
                await service.ping()
                assert await service.create() == "action-successful"
                assert await service.create("wrong") == "invalid-token"


def counts(found: Scrape) -> tuple[float, ...]:
    """How many pings, creates, refusals and latencies of creates were counted."""
    return (
        found.total("requirements_requests_total", route="/ping", status="none", code="200", outcome="none"),
        found.total("requirements_requests_total", route=CREATE, status="action-successful", outcome="created"),
        found.total("requirements_requests_total", route=CREATE, status="invalid-token", code="401", outcome="none"),
        found.total("requirements_request_duration_seconds_count", route=CREATE),
    )


async def test_counts_are_exact_whatever_worker_answers_and_ends(service: Watched) -> None:
    """Each answer of either worker is counted once, also after kill -9 of one, and the next goes on from there."""
    first, second = await service.serve.workers()
    await ask_each_worker(service, [first, second], 5)
    os.kill(first, signal.SIGKILL)
    assert counts(await scrape(service.http, service.console)) == (10, 10, 10, 20)

    third = (await service.serve.workers(3))[2]
    assert counts(await scrape(service.http, service.console)) == (10, 10, 10, 20)
    await ask_each_worker(service, [second, third], 1)
    assert counts(await scrape(service.http, service.console)) == (12, 12, 12, 24)


async def test_workers_and_their_gauges_follow_those_that_run(service: Watched) -> None:
    """A killed worker's gauges leave with it; its successor has its place, and the restart is counted."""

    def whole(found: Scrape) -> bool:
        return found.total("requirements_database_pool_limit") == 16

    before = await scrape_until(service.http, service.console, whole)
    assert before.total("requirements_workers") == 2
    assert before.total("requirements_restarts_total", process="worker") == 0
    os.kill((await service.serve.workers())[0], signal.SIGKILL)
    await service.serve.event("worker-ended")
    assert (await scrape(service.http, service.console)).total("requirements_database_pool_limit") == 8
    await service.serve.workers(3)
    after = await scrape_until(service.http, service.console, whole)
    assert after.total("requirements_workers") == 2
    assert after.total("requirements_restarts_total", process="worker") == 1
    assert after.values("worker") == before.values("worker") == {"0", "1"}


async def test_counts_are_exact_across_restarts(service: Watched, tmp_path: Path) -> None:
    """Counts go on through restarts by SIGHUP, none doubled or lost; gauges are those of the workers that serve."""
    for restarts in range(3):
        serving_now = (await service.serve.workers(2 * (restarts + 1)))[-2:]
        await ask_each_worker(service, serving_now, 2)
        service.serve.process.send_signal(signal.SIGHUP)
        await service.serve.event("restarted", restarts + 1, 60)
        asked = 4 * (restarts + 1)
        found = await scrape_until(service.http, service.console, lambda found: pool_limit(found) == 16)
        assert counts(found) == (asked, asked, asked, 2 * asked)
        assert found.total("requirements_workers") == 2
        assert found.total("requirements_restarts_total") == 0
    names = {path.stem.rpartition("_")[2] for path in metrics_of(tmp_path).glob("*.db")}
    assert names == {"0", "1", "0b", "1b", "supervisor"}


def pool_limit(found: Scrape) -> float:
    """How many connections all workers together may open."""
    return found.total("requirements_database_pool_limit")


async def test_the_console_is_kept_running(service: Watched) -> None:
    """The internal listener's process is started again at the same address and knows what was counted before."""
    await service.ping()
    (ready,) = await service.serve.event("console-ready")
    os.kill(ready["process"], signal.SIGKILL)
    await service.ping()
    found = await scrape(service.http, service.console)
    assert counts(found)[0] == 2
    assert found.total("requirements_restarts_total", process="console") == 1
    assert await service.serve.stop() == 0
    assert not any(alive(event["process"]) for event in await service.serve.event("console-ready", 2))


def metrics_of(folder: Path) -> Path:
    """Where the service that has `folder` for what is temporary keeps its metrics."""
    (found,) = folder.glob("requirements-metrics-*")
    return found


async def test_nothing_is_left_behind(service: Watched, tmp_path: Path) -> None:
    """The folder of the metrics is there while the service runs, for nobody else to read, and gone after it."""
    folder = metrics_of(tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert await service.serve.stop() == 0
    assert not folder.exists()


async def test_the_console_ends_with_a_killed_supervisor(service: Watched) -> None:
    """After kill -9 of the supervisor the internal listener's process ends by itself, as workers do."""
    (ready,) = await service.serve.event("console-ready")
    os.kill(service.serve.pid, signal.SIGKILL)
    await service.serve.ended()
    await until(lambda: not alive(ready["process"]))


async def test_a_taken_port_is_a_warning(
    tmp_path: Path, database_url: str, taken_port: socket.socket, http: aiohttp.ClientSession
) -> None:
    """While someone else has the internal listener's port the API serves; once it is free the console has it."""
    port = taken_port.getsockname()[1]
    async with serving(tmp_path, environ=settings(tmp_path, database_url, port)) as serve:
        (warning,) = await serve.event("console-unavailable")
        assert warning["level"] == "warning"
        assert f"127.0.0.1:{port} is taken" in warning["reason"]
        async with http.get(f"{serve.url}/ready") as response:
            assert response.status == 200
        taken_port.close()
        (listening,) = await serve.event("console-listening")
        assert listening["url"] == f"http://127.0.0.1:{port}"
        assert (await scrape(http, listening["url"])).total("requirements_requests_total", route="/ready") == 1
        assert len(await serve.event("console-unavailable")) == 1
