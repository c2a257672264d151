"""Callers see their own writes under load, whatever the replica lacks: with `fresh`, and after a cursor of the feed."""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator

from service.client import AsyncRequirements, Reference
from tests.conftest import Client
from tests.factories import AppRecord
from tests.replica.conftest import Cluster
from tests.replica.reading import reads_of

WRITERS = 4
CHECKS = 60


@contextlib.asynccontextmanager
async def pausing(cluster: Cluster) -> AsyncIterator[None]:
    """Pause and resume the replay again and again during the block."""

    async def pause() -> None:
        async with cluster.on_standby() as standby:
            while True:
                await standby.execute("SELECT pg_wal_replay_pause()")
                await asyncio.sleep(0.5)
                await standby.execute("SELECT pg_wal_replay_resume()")
                await asyncio.sleep(0.1)

    task = asyncio.create_task(pause())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        async with cluster.on_standby() as standby:
            await standby.execute("SELECT pg_wal_replay_resume()")


class Load:
    """Writers that check each write with a read, and a follower of the feed that checks each event with a read."""

    def __init__(self, client: AsyncRequirements, user: Reference) -> None:
        self._client = client
        self._user = user
        self.checked: Counter[str] = Counter()

    async def write(self) -> None:
        """Create a requirement and change it again and again, and read each time what was written."""
        made = await self._client.create(self._user, self._user)
        for number in itertools.count():
            assert await self._client.read(made.id, fresh=True) == made
            made = await self._client.update(made.id, value=str(number))
            self.checked["writes"] += 1

    async def follow(self, after: str) -> None:
        """Read what the last event of each page contains, after its cursor: what is read is never older."""
        async for page in self._client.changes(after, page_size=200):
            event = page.results[-1]
            read = await self._client.read(event.requirement.id, read_after=event.cursor)
            assert read.updated_at >= event.requirement.updated_at
            self.checked["events"] += 1


async def newest(client: AsyncRequirements) -> str:
    """The cursor of this moment."""
    async for page in client.changes("now", follow=False):
        return page.next
    raise AssertionError


async def test_writes_are_read_under_load(
    patient: Client, cluster: Cluster, application: AppRecord, user_id: int
) -> None:
    """While writers write and the replay stops and goes on, no read is older than the write or the event before it."""
    url = str(patient.make_url("")).rstrip("/")
    before = dict(reads_of(patient).answered)
    async with AsyncRequirements(url, application.token) as client, pausing(cluster):
        load = Load(client, Reference("User", user_id))
        after = await newest(client)
        async with asyncio.TaskGroup() as callers:
            tasks = [callers.create_task(load.write()) for _ in range(WRITERS)]
            tasks.append(callers.create_task(load.follow(after)))
            async with asyncio.timeout(60):
                while min(load.checked["events"], load.checked["writes"]) < CHECKS:
                    await asyncio.sleep(0.02)
            for task in tasks:
                task.cancel()
    counted = {name: number - before[name] for name, number in reads_of(patient).answered.items()}
    assert min(counted.values()) > 0, counted
