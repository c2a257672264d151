"""/metrics of a real service: exact across workers, and after any process has ended."""

import os
import shutil
import signal
import socket
from pathlib import Path

import aiohttp

from tests.admin.conftest import RunningService, settings
from tests.admin.scraping import Scrape, scrape, scrape_until
from tests.factories import CREATE
from tests.serving.process import alive, serving, until


async def call_each_worker(service: RunningService, workers: list[int], times: int) -> None:
    """Send `times` pings, creates and refused creates to each worker."""
    for worker in workers:
        with service.serve.only(worker, workers):
            for _ in range(times):
                await service.ping()
                assert await service.create() == "action-successful"
                assert await service.create("wrong") == "invalid-token"


def counts(found: Scrape) -> tuple[float, ...]:
    """The counts of pings, creates, refusals and create latencies."""
    return (
        found.total("requirements_requests_total", route="/ping", status="none", code="200", outcome="none"),
        found.total("requirements_requests_total", route=CREATE, status="action-successful", outcome="created"),
        found.total("requirements_requests_total", route=CREATE, status="invalid-token", code="401", outcome="none"),
        found.total("requirements_request_duration_seconds_count", route=CREATE),
    )


async def test_counts_are_exact_after_a_worker_was_killed(service: RunningService) -> None:
    """Each response is counted once, also after kill -9 of a worker, and its replacement continues the counts."""
    first, second = await service.serve.workers()
    await call_each_worker(service, [first, second], 5)
    os.kill(first, signal.SIGKILL)
    assert counts(await scrape(service.http, service.console)) == (10, 10, 10, 20)

    third = (await service.serve.workers(3))[2]
    assert counts(await scrape(service.http, service.console)) == (10, 10, 10, 20)
    await call_each_worker(service, [second, third], 1)
    assert counts(await scrape(service.http, service.console)) == (12, 12, 12, 24)


async def test_gauges_are_those_of_the_running_workers(service: RunningService) -> None:
    """The gauges of a killed worker are removed. Its replacement has the same place, and the restart is counted."""

    def complete(found: Scrape) -> bool:
        return found.total("requirements_database_pool_limit") == 20

    before = await scrape_until(service.http, service.console, complete)
    assert before.total("requirements_workers") == 2
    assert before.total("requirements_restarts_total", process="worker") == 0
    os.kill((await service.serve.workers())[0], signal.SIGKILL)
    await service.serve.event("worker-ended")
    assert (await scrape(service.http, service.console)).total("requirements_database_pool_limit") == 10
    await service.serve.workers(3)
    after = await scrape_until(service.http, service.console, complete)
    assert after.total("requirements_workers") == 2
    assert after.total("requirements_restarts_total", process="worker") == 1
    assert after.values("worker") == before.values("worker") == {"0", "1"}


async def test_counts_are_exact_across_restarts(service: RunningService, tmp_path: Path) -> None:
    """Counts continue over restarts by SIGHUP, none doubled or lost. Gauges are those of the current workers."""
    for restarts in range(3):
        serving_now = (await service.serve.workers(2 * (restarts + 1)))[-2:]
        await call_each_worker(service, serving_now, 2)
        service.serve.process.send_signal(signal.SIGHUP)
        await service.serve.event("restarted", restarts + 1, 60)
        sent = 4 * (restarts + 1)
        found = await scrape_until(service.http, service.console, lambda found: pool_limit(found) == 20)
        assert counts(found) == (sent, sent, sent, 2 * sent)
        assert found.total("requirements_workers") == 2
        assert found.total("requirements_restarts_total") == 0
    names = {path.stem.rpartition("_")[2] for path in metrics_folder_of(tmp_path).glob("*.db")}
    assert names == {"0", "1", "0b", "1b", "supervisor"}


def pool_limit(found: Scrape) -> float:
    """The connection limit of all workers together."""
    return found.total("requirements_database_pool_limit")


async def test_a_killed_console_is_restarted(service: RunningService) -> None:
    """A killed process of the internal listener is restarted at the same address with all earlier counts."""
    await service.ping()
    (ready,) = await service.serve.event("console-ready")
    os.kill(ready["process"], signal.SIGKILL)
    await service.ping()
    found = await scrape(service.http, service.console)
    assert counts(found)[0] == 2
    assert found.total("requirements_restarts_total", process="console") == 1
    assert await service.serve.stop() == 0
    assert not any(alive(event["process"]) for event in await service.serve.event("console-ready", 2))


def metrics_folder_of(folder: Path) -> Path:
    """The metrics folder of the service that runs in `folder`."""
    (found,) = metrics_folders(folder)
    return found


def metrics_folders(folder: Path) -> list[Path]:
    """The metrics folders of all services that run in `folder`."""
    return list(folder.glob(".data/requirements-metrics-*"))


async def test_nothing_is_left_behind(service: RunningService, tmp_path: Path) -> None:
    """The metrics folder is private to its owner, and removed when the service stops."""
    folder = metrics_folder_of(tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert await service.serve.stop() == 0
    assert not folder.exists()


async def test_metrics_do_not_hinder_serving(service: RunningService, tmp_path: Path) -> None:
    """If the metrics folder is removed, /metrics answers, a killed worker is replaced, and SIGHUP restarts all."""
    workers = await service.serve.workers()
    await call_each_worker(service, workers, 1)
    shutil.rmtree(metrics_folder_of(tmp_path))
    assert (await scrape(service.http, service.console)).total("requirements_build_info") == 1
    await call_each_worker(service, workers, 1)

    os.kill(workers[0], signal.SIGKILL)
    await call_each_worker(service, [workers[1], (await service.serve.workers(3))[2]], 1)
    assert counts(await scrape(service.http, service.console)) == (1, 1, 1, 2)

    service.serve.process.send_signal(signal.SIGHUP)
    await service.serve.event("restarted", 1, 60)
    await call_each_worker(service, (await service.serve.workers(5))[3:], 1)
    assert counts(await scrape(service.http, service.console)) == (3, 3, 3, 6)
    assert await service.serve.stop() == 0
    assert metrics_folders(tmp_path) == []


async def test_the_console_ends_with_a_killed_supervisor(service: RunningService) -> None:
    """After kill -9 of the supervisor, the process of the internal listener ends, as workers do."""
    (ready,) = await service.serve.event("console-ready")
    os.kill(service.serve.pid, signal.SIGKILL)
    await service.serve.ended()
    await until(lambda: not alive(ready["process"]))


async def test_a_taken_port_is_a_warning(
    tmp_path: Path, database_url: str, taken_port: socket.socket, http: aiohttp.ClientSession
) -> None:
    """While the port of the internal listener is taken, the API serves. Once it is free, the console starts."""
    port = taken_port.getsockname()[1]
    async with serving(tmp_path, environ=settings(database_url, port)) as serve:
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
