"""The rounds: each makes the primary fail under load, then checks the ledger."""

import asyncio
import contextlib
import itertools
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from service.config.database_url import parse_database_url
from service.database.hosts import connect_to_any
from tests.tools.failover.cluster import Cluster, ClusterError
from tests.tools.failover.node import Node
from tests.tools.failover.reader import FAILED, PRIMARY, REPLICA, Reader
from tests.tools.failover.settings import ASYNCHRONOUS, SYNCHRONOUS
from tests.tools.ledger.callers import Population
from tests.tools.ledger.checker import Violation, check
from tests.tools.ledger.follower import Follower, Replay
from tests.tools.ledger.history import History
from tests.tools.ledger.http_client import HttpClient
from tests.tools.ledger.load import Load, load

CLIENTS = 16
SUCCESSES = 200  # before and after the fault
UNREPLICATED_SUCCESSES = 100  # not replicated to the asynchronous standby
READS = 50  # by the standby, before and after the fault
LAG_SECONDS = 1.0  # of the standby, as by default
TIMEOUT_SECONDS = 60.0

LOST = "acknowledged, but no row"
DOUBLED = "more than one row"


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a round: answers by outcome, violations, and the outage.

    `gap_seconds` is the longest time between two consecutive successes. `reads` are those of the `Reader`, by server.
    `problems` are those of the reader and of the follower of the change feed, whose events are in `replay`.
    """

    name: str
    synchronous: bool
    outcomes: Counter[str]
    violations: list[Violation]
    gap_seconds: float
    reads: Counter[str]
    replay: Replay
    problems: list[str]

    def count(self, kind: str) -> int:
        """Return the number of violations of this kind."""
        return sum(violation.kind == kind for violation in self.violations)

    @property
    def passed(self) -> bool:
        """Whether nothing was lost; if asynchronous, whether a loss was seen, which shows that losses are detected."""
        return not (self.violations or self.problems) if self.synchronous else self.count(LOST) > 0


@dataclass(frozen=True, slots=True)
class RoundContext:
    """What a fault acts on."""

    cluster: Cluster
    load: Load
    reader: Reader

    async def reads(self, server: str) -> None:
        """Wait for more reads that this server answers."""
        wanted = self.reader.answers[server] + READS
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while self.reader.answers[server] < wanted:
                await asyncio.sleep(0.02)

    async def successes(self, count: int) -> None:
        """Wait for this many more successes."""
        wanted = len(self.load.success_times) + count
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while len(self.load.success_times) < wanted:
                await asyncio.sleep(0.02)


Fault = Callable[[RoundContext, Node], Awaitable[None]]


async def kill_primary(context: RoundContext, primary: Node) -> None:
    """Kill the primary's host, and restart it after the failover."""
    await primary.kill()
    await _wait_replaced(context, primary)
    await primary.start()


async def _wait_replaced(context: RoundContext, primary: Node) -> None:
    await context.cluster.wait_promoted(context.cluster.other(primary))
    await context.successes(SUCCESSES)


async def switch_over_planned(context: RoundContext, primary: Node) -> None:
    """Perform a planned switchover."""
    standby = context.cluster.other(primary)
    await context.cluster.switch_over(standby)
    await context.cluster.wait_promoted(standby)


async def suspend_primary(context: RoundContext, primary: Node) -> None:
    """Suspend the primary's host with its connections open; kill and restart it after the failover."""
    primary.suspend()
    await _wait_replaced(context, primary)
    # A watchdog does the same. If the host resumed instead, it would still act as the primary.
    await primary.kill()
    await primary.start()


async def kill_standby(context: RoundContext, primary: Node) -> None:
    """Kill the standby's host, and restart it when writes and reads go on without it. No read may fail."""
    standby = context.cluster.other(primary)
    failed = context.reader.answers[FAILED]
    await standby.kill()
    await context.reads(PRIMARY)
    await context.successes(SUCCESSES)
    await standby.start()
    await context.cluster.wait_settled(synchronous=True)
    await context.reads(REPLICA)
    if context.reader.answers[FAILED] > failed:
        context.reader.problems.append("a read failed because the standby was lost")


async def kill_primary_ahead(context: RoundContext, primary: Node) -> None:
    """Kill the primary's host while it has writes that the standby never received."""
    os.kill(await _wal_sender(primary), signal.SIGSTOP)
    await context.successes(UNREPLICATED_SUCCESSES)
    await kill_primary(context, primary)


async def _wal_sender(primary: Node) -> int:
    """Return the pid of the process that streams WAL to the standby."""
    async with _connected(f"postgresql://postgres@127.0.0.1:{primary.port}/postgres") as connection:
        pid: int = await connection.fetchval("SELECT pid FROM pg_stat_replication")
    return pid


@dataclass(frozen=True, slots=True)
class Round:
    """A fault, and the replication mode during it."""

    name: str
    fault: Fault
    synchronous: bool = True
    replaces_primary: bool = True


ROUNDS = (
    *(Round(f"primary killed, {number}", kill_primary) for number in ("first", "second", "third")),
    Round("planned switchover", switch_over_planned),
    Round("primary frozen", suspend_primary),
    Round("standby killed", kill_standby, replaces_primary=False),
    Round("primary killed ahead", kill_primary_ahead, synchronous=False),
)


async def run_round(round_: Round, cluster: Cluster, url: str, population: Population, folder: Path) -> Result:
    """Run a round on the service at `url`, which writes to the cluster. Both nodes run again afterwards."""
    await cluster.configure(SYNCHRONOUS if round_.synchronous else ASYNCHRONOUS)
    primary = await cluster.wait_settled(synchronous=round_.synchronous)
    async with _connected(cluster.url()) as connection:
        await connection.execute("TRUNCATE requirements CASCADE")
        # The checker compares them with the history, too; the one above adds some.
        await connection.execute("TRUNCATE changes")
    token = next(caller.token for caller in population.callers if caller.session_id is None)
    follower = Follower(token)
    reader = Reader(follower, token)
    address = urlsplit(url)
    await follower.begin(HttpClient(address.hostname or "", address.port or 0, keep_alive=False))
    with History(folder / f"{round_.name}.jsonl") as history:
        async with (
            load(url, population, history, clients=CLIENTS) as clients,
            follower.following(clients),
            reader.reading(clients),
        ):
            await _run_fault(round_, RoundContext(cluster, clients, reader), primary)
        await _wait_idle(cluster)
        violations = await check(history, cluster.url(), lag_seconds=LAG_SECONDS)
        async with _connected(cluster.url()) as connection:
            await follower.compare(connection, clients.http_client())
    gap = max(after - before for before, after in itertools.pairwise(clients.success_times))
    problems = [*reader.problems, *follower.replay.problems]
    counts = Counter[str](clients.counts)
    return Result(round_.name, round_.synchronous, counts, violations, gap, reader.answers, follower.replay, problems)


async def _run_fault(round_: Round, context: RoundContext, primary: Node) -> None:
    """Cause the fault while the load runs. The standby answers reads before and after it."""
    await context.successes(SUCCESSES)
    await context.reads(REPLICA)
    await round_.fault(context, primary)
    settled = await context.cluster.wait_settled(synchronous=round_.synchronous)
    if (settled is primary) is round_.replaces_primary:
        raise ClusterError(f"{round_.name}: {settled.name} is the primary")
    await context.successes(SUCCESSES)
    await context.reads(REPLICA)


async def _wait_idle(cluster: Cluster) -> None:
    """Wait until no abandoned write is still executing."""
    async with _connected(cluster.url()) as connection, asyncio.timeout(TIMEOUT_SECONDS):
        while await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'requirements-service' AND state <> 'idle'"
        ):
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect_to_any(parse_database_url(url), timeout=5)
    try:
        yield connection
    finally:
        await connection.close()
