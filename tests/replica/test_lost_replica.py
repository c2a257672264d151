"""A replica that is lost, at any moment and in any way, fails no request."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from service.storage.demo import Demo, make_demo
from tests.api.waiting import wait_for_lock_waiters, wait_until
from tests.conftest import Client
from tests.databases import connected
from tests.factories import ROUTES
from tests.replica.conftest import Cluster
from tests.replica.reading import PRIMARY, REPLICA, post, server, settled

# A read of each action: its example works on the demo records.
READS: dict[str, dict[str, Any]] = {
    "read": {"id": 1},
    "index": {},
    "closure": {"of": {"type": "Application", "id": 1}},
    "path": {"from": {"type": "Application", "id": 1}, "to": {"type": "Route", "id": 1}},
}
CALLERS = 4

# Less than any statement_timeout: a read does not wait on the replica for as long as it could.
SOON_SECONDS = 3.0

END = "SELECT end(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
LOCKED = (
    "SELECT EXISTS (SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'requirements'::regclass)"
)

Loss = Callable[[Cluster], contextlib.AbstractAsyncContextManager[None]]


@contextlib.asynccontextmanager
async def killed(cluster: Cluster) -> AsyncIterator[None]:
    """Kill the standby, and start it again after the block."""
    await cluster.standby.kill()
    try:
        yield
    finally:
        await cluster.standby.start()


@contextlib.asynccontextmanager
async def suspended(cluster: Cluster) -> AsyncIterator[None]:
    """Suspend the standby during the block: it accepts connections, and does not answer."""
    with cluster.standby.paused():
        yield


@contextlib.asynccontextmanager
async def stopped(cluster: Cluster) -> AsyncIterator[None]:
    """Stop the standby as an operator does, and start it again after the block."""
    await cluster.standby.stop()
    try:
        yield
    finally:
        await cluster.standby.start()


@pytest.fixture
async def demo(cluster: Cluster) -> Demo:
    """The demo records, on both servers."""
    demo = await make_demo(cluster.connection, ROUTES)
    await cluster.caught_up()
    return demo


class Load:
    """Callers that read without a pause, and who answered them."""

    def __init__(self, client: Client, token: str) -> None:
        self._client = client
        self._token = token
        self.servers: Counter[str | None] = Counter()
        self.answers: Counter[int] = Counter()
        self.longest_seconds = 0.0

    async def call(self, number: int) -> None:
        """Be the caller of this number: read again and again. Raises if a read is not successful."""
        while True:
            for action, sent in READS.items():
                began = time.monotonic()
                answer = await post(self._client, action, self._token, **sent)
                self.servers[server(answer)] += 1
                self.answers[number] += 1
                self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)

    async def more(self, name: str | None, count: int = 40) -> None:
        """Wait for this many more answers of a server, and for some to each caller."""
        wanted, answers = self.servers[name] + count, dict(self.answers)
        async with asyncio.timeout(30):
            while self.servers[name] < wanted or any(self.answers[caller] < answers[caller] + 2 for caller in answers):
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def reading(client: Client, token: str) -> AsyncIterator[Load]:
    """Callers that read during the block. Raises the error of one whose read failed."""
    load = Load(client, token)
    async with asyncio.TaskGroup() as callers:
        tasks = [callers.create_task(load.call(number)) for number in range(CALLERS)]
        yield load
        for task in tasks:
            task.cancel()


@pytest.mark.parametrize("loss", [killed, suspended, stopped])
async def test_a_lost_replica_fails_no_read(client: Client, cluster: Cluster, demo: Demo, loss: Loss) -> None:
    """Under load, the replica is lost and comes back: every read succeeds, none takes long, and both servers answer."""
    async with reading(client, demo.application_token) as load:
        await load.more(REPLICA)
        async with loss(cluster):
            await load.more(PRIMARY)
            await settled(client, usable=False)
        await load.more(REPLICA)
    assert load.longest_seconds < SOON_SECONDS
    await cluster.caught_up()


@contextlib.asynccontextmanager
async def locked_on_standby(cluster: Cluster) -> AsyncIterator[None]:
    """Have each read of requirements wait on the standby during the block, and none on the primary."""
    async with connected(cluster.primary.url) as connection, cluster.on_standby() as standby:
        await connection.execute("BEGIN; LOCK TABLE requirements IN ACCESS EXCLUSIVE MODE")
        # A commit has the WAL sent to the standby.
        await cluster.connection.execute("CREATE TABLE flushed (); DROP TABLE flushed")
        await wait_until(standby, LOCKED, seconds=20)
        await standby.execute("SELECT pg_wal_replay_pause()")
        await wait_until(standby, "SELECT pg_get_wal_replay_pause_state() = 'paused'", seconds=20)
        await connection.execute("ROLLBACK")
    try:
        yield
    finally:
        async with cluster.on_standby() as standby:
            await standby.execute("SELECT pg_wal_replay_resume()")
        await cluster.caught_up()


@contextlib.asynccontextmanager
async def ended_by(cluster: Cluster, function: str) -> AsyncIterator[None]:
    """End the statements that wait on the standby."""
    async with cluster.on_standby() as standby:
        await standby.execute(END.replace("end", function))
    yield


@contextlib.asynccontextmanager
async def cancelled(cluster: Cluster) -> AsyncIterator[None]:
    """Cancel the statements on the standby, as a conflict with the replay does."""
    async with ended_by(cluster, "pg_cancel_backend"):
        yield


@contextlib.asynccontextmanager
async def terminated(cluster: Cluster) -> AsyncIterator[None]:
    """End the connections to the standby."""
    async with ended_by(cluster, "pg_terminate_backend"):
        yield


@pytest.mark.parametrize("loss", [killed, suspended, cancelled, terminated])
async def test_a_replica_is_lost_in_the_middle_of_a_statement(
    patient: Client, cluster: Cluster, demo: Demo, loss: Loss
) -> None:
    """The primary answers the reads whose statements run on the replica, long before their deadline."""
    token = demo.application_token
    async with locked_on_standby(cluster):
        began = time.monotonic()
        calls = [asyncio.create_task(post(patient, action, token, **sent)) for action, sent in READS.items()]
        async with cluster.on_standby() as standby:
            await wait_for_lock_waiters(standby, 2)
        async with loss(cluster):
            answers = await asyncio.gather(*calls)
        assert time.monotonic() - began < SOON_SECONDS
    assert [server(answer) for answer in answers] == [PRIMARY] * len(READS)
    async with asyncio.timeout(20):
        while server(await post(patient, "index", token)) != REPLICA:
            pass
