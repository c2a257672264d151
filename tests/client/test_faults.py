"""Keyed writes through the client while the service restarts and the database and the network fail.

`make client-faults` sends 10,000 of them.
"""

import asyncio
import itertools
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from service.client import AsyncRequirements, Reference, RequirementsError
from service.storage.demo import Demo
from tests.client.gateway import url_through
from tests.proxy import Proxy, proxied
from tests.serving.postgres import Postgres
from tests.serving.process import Serve
from tests.serving.restarting import restart, restartable

WRITES = int(os.environ.get("CLIENT_WRITES", "500"))
TASKS = 8
DEADLINE_SECONDS = 60.0


@dataclass
class Writes:
    """What became of each value: the id of its record, or the exception. Writing ends once `enough` is set."""

    enough: asyncio.Event = field(default_factory=asyncio.Event)
    acknowledged: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


async def write(client: AsyncRequirements, demo: Demo, writes: Writes, values: "itertools.count[int]") -> None:
    """Create requirements, one after another, until there are enough."""
    required, requireable = Reference("Service", demo.service_id), Reference("Application", demo.application_id)
    while not writes.enough.is_set():
        value = f"client {next(values)}"
        try:
            made = await client.create(required, requireable, value=value)
        except RequirementsError as error:
            writes.failed[value] = repr(error)
        else:
            writes.acknowledged[value] = made.id


def faults(serve: Serve, postgres: Postgres, database: Proxy, network: Proxy) -> list[Callable[[int], Awaitable[None]]]:
    """What fails, in turn. Each takes the number of the round, from 1, and ends when it is over."""

    async def restart_workers(number: int) -> None:
        await restart(serve, number)

    async def kill_worker(_number: int) -> None:
        ready = await serve.event("worker-ready")
        os.kill(ready[-1]["worker"], signal.SIGKILL)
        await serve.event("worker-ready", len(ready) + 1)

    async def stop_database(_number: int) -> None:
        await postgres.stop()
        await postgres.start()

    async def cut_database(_number: int) -> None:
        database.reset()

    async def lose_database_replies(_number: int) -> None:
        await _lose(database, "client ")

    async def cut_network(_number: int) -> None:
        network.reset()

    async def lose_responses(_number: int) -> None:
        await _lose(network, "POST ")

    return [
        lose_responses,
        lose_database_replies,
        restart_workers,
        cut_network,
        cut_database,
        kill_worker,
        stop_database,
    ]


async def _lose(proxy: Proxy, marker: str) -> None:
    """Lose three replies to writes."""
    lost = proxy.lost + 3
    proxy.lose_replies(marker, 3)
    async with asyncio.timeout(DEADLINE_SECONDS):
        while proxy.lost < lost:
            await asyncio.sleep(0.01)


async def test_no_write_is_lost_or_doubled(postgres: Postgres, demo: Demo, tmp_path: Path) -> None:
    """Every create through the client is acknowledged, and in the table exactly once, with the id that was returned."""
    writes, values = Writes(), itertools.count()
    async with (
        proxied(postgres.url) as database,
        restartable(tmp_path, database.url, 0.3) as serve,
        proxied(serve.url) as network,
        AsyncRequirements(url_through(network), demo.application_token, deadline_seconds=DEADLINE_SECONDS) as client,
    ):
        kinds = faults(serve, postgres, database, network)
        writing = asyncio.gather(*(write(client, demo, writes, values) for _ in range(TASKS)))
        for number in itertools.count(1):
            for fault in kinds:
                await fault(number)
            if len(writes.acknowledged) + len(writes.failed) >= WRITES:
                break
        writes.enough.set()
        await writing
    async with postgres.connection() as connection:
        rows = await connection.fetch("SELECT value, id FROM requirements WHERE value LIKE 'client %'")
    assert writes.failed == {}
    assert len(writes.acknowledged) >= WRITES
    assert sorted((row["value"], row["id"]) for row in rows) == sorted(writes.acknowledged.items())
    assert (network.lost, database.lost) >= (3, 3)
