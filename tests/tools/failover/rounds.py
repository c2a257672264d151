"""The ways to lose a primary, each under load, and what the ledger says afterwards."""

import asyncio
import contextlib
import itertools
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from service.database.hosts import connect_to_any
from tests.tools.failover.cluster import Cluster, ClusterError
from tests.tools.failover.node import Node
from tests.tools.failover.settings import ASYNCHRONOUS, SYNCHRONOUS
from tests.tools.ledger.callers import Population
from tests.tools.ledger.checker import Violation, check
from tests.tools.ledger.history import History
from tests.tools.ledger.load import Load, load

CLIENTS = 16
WARM = 200  # successes before and after whatever happens
UNSEEN = 100  # successes that an asynchronous standby does not get to see
PATIENCE_SECONDS = 60.0

LOST = "acknowledged, but no row"
DOUBLED = "more than one row"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a round: how many answers of each outcome, what they and the table disagree on, and the outage.

    `gap_seconds` lie between a success and the next one, at the longest.
    """

    name: str
    synchronous: bool
    outcomes: Counter[str]
    violations: list[Violation]
    gap_seconds: float

    def count(self, kind: str) -> int:
        """How many violations are of this kind."""
        return sum(violation.kind == kind for violation in self.violations)

    @property
    def passed(self) -> bool:
        """Synchronous replication loses nothing; asynchronous must be seen to lose, or we would not see it at all."""
        return not self.violations if self.synchronous else self.count(LOST) > 0


@dataclass(frozen=True, slots=True)
class Scene:
    """What a round has to do with."""

    cluster: Cluster
    load: Load

    async def successes(self, count: int) -> None:
        """Wait for so many more."""
        wanted = len(self.load.success_times) + count
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.load.success_times) < wanted:
                await asyncio.sleep(0.02)


Fault = Callable[[Scene, Node], Awaitable[None]]


async def killed(scene: Scene, primary: Node) -> None:
    """The primary's host dies; later it comes back."""
    await primary.lose()
    await _replaced(scene, primary)
    await primary.start()


async def _replaced(scene: Scene, primary: Node) -> None:
    await scene.cluster.promoted(scene.cluster.other(primary))
    await scene.successes(WARM)


async def switched(scene: Scene, primary: Node) -> None:
    """A planned switchover."""
    standby = scene.cluster.other(primary)
    await scene.cluster.switch_over(standby)
    await scene.cluster.promoted(standby)


async def frozen(scene: Scene, primary: Node) -> None:
    """The primary's host halts with its connections open, and goes on taking new ones; fenced once it is replaced."""
    primary.halt()
    await _replaced(scene, primary)
    # What a watchdog does. Woken up instead, it would believe that it is in charge.
    await primary.lose()
    await primary.start()


async def killed_ahead(scene: Scene, primary: Node) -> None:
    """The primary's host dies with writes that its standby never got."""
    os.kill(await _sender(primary), signal.SIGSTOP)
    await scene.successes(UNSEEN)
    await killed(scene, primary)


async def _sender(primary: Node) -> int:
    """The pid of the process that sends the primary's writes to the standby."""
    async with _connected(f"postgresql://postgres@127.0.0.1:{primary.port}/postgres") as connection:
        pid: int = await connection.fetchval("SELECT pid FROM pg_stat_replication")
    return pid


@dataclass(frozen=True, slots=True)
class Round:
    """A fault, and how the servers replicate meanwhile."""

    name: str
    fault: Fault
    synchronous: bool = True


ROUNDS = (
    *(Round(f"primary killed, {number}", killed) for number in ("first", "second", "third")),
    Round("planned switchover", switched),
    Round("primary frozen", frozen),
    Round("primary killed ahead", killed_ahead, synchronous=False),
)


async def play(item: Round, cluster: Cluster, url: str, population: Population, folder: Path) -> Result:
    """Play a round on the service at `url`, which writes to the cluster; both are whole again afterwards."""
    await cluster.configure(SYNCHRONOUS if item.synchronous else ASYNCHRONOUS)
    primary = await cluster.settled(synchronous=item.synchronous)
    async with _connected(cluster.url()) as connection:
        await connection.execute("TRUNCATE requirements CASCADE")
    with History(folder / f"{item.name}.jsonl") as history:
        async with load(url, population, history, clients=CLIENTS) as running:
            scene = Scene(cluster, running)
            await scene.successes(WARM)
            await item.fault(scene, primary)
            if await cluster.settled(synchronous=item.synchronous) is primary:
                raise ClusterError(f"{item.name}: {primary.name} is the primary still")
            await scene.successes(WARM)
        await _at_rest(cluster)
        violations = await check(history, cluster.url())
    gap = max(after - before for before, after in itertools.pairwise(running.success_times))
    return Result(item.name, item.synchronous, Counter(running.counts), violations, gap)


async def _at_rest(cluster: Cluster) -> None:
    """Wait until no write that its client has given up is still under way."""
    async with _connected(cluster.url()) as connection, asyncio.timeout(PATIENCE_SECONDS):
        while await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'requirements-service' AND state <> 'idle'"
        ):
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect_to_any(url, timeout=5)
    try:
        yield connection
    finally:
        await connection.close()
