"""Sample gauges and counters a few times a second instead of on every request."""

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter

from service.api.authenticator import Authenticator
from service.api.replica_reads import ReplicaReads
from service.api.requirement_writer import RequirementWriter
from service.api.route_registry import RouteRegistry
from service.database.pool import Database
from service.metrics.definitions import Metrics

if TYPE_CHECKING:
    from service.database.batcher import Batcher

TICK_SECONDS = 0.25

_STATM = Path("/proc/self/statm")


class Sampler:
    """Copies the state of a worker's components into its metrics."""

    def __init__(
        self,
        metrics: Metrics,
        databases: Sequence[Database],
        registry: RouteRegistry,
        authenticator: Authenticator,
        writer: RequirementWriter,
        replica_reads: ReplicaReads | None,
    ) -> None:
        self._metrics = metrics
        self._replica_reads = replica_reads
        self._databases = databases if replica_reads is None else (*databases, *replica_reads.replica.pools)
        self._registry = registry
        self._authenticator = authenticator
        self._batchers: dict[str, Batcher[Any, Any]] = {"write": writer.writes, "look_up": authenticator.look_ups}
        self._counted: dict[Counter, float] = {}

    async def run(self) -> None:
        """Sample until cancelled."""
        self.sample()
        while True:
            began = time.perf_counter()
            await asyncio.sleep(TICK_SECONDS)
            # The event loop's clock may have a resolution of milliseconds only.
            self._metrics.loop_lag.observe(max(time.perf_counter() - began - TICK_SECONDS, 0.0))
            self.sample()

    def sample(self) -> None:
        """Set every gauge, and advance every counter to the component's total."""
        metrics = self._metrics
        metrics.requests_in_flight.set(metrics.in_flight)
        self._sample_database()
        self._sample_batchers()
        if self._replica_reads is not None:
            self._sample_replica(self._replica_reads)
        metrics.registry_age.set(self._registry.age())
        self._count(metrics.registry_loads, self._registry.loads)
        self._count(metrics.session_touches, self._authenticator.touched)
        self._count(metrics.cpu, time.process_time())
        memory = _resident_bytes()
        if memory is not None:
            metrics.memory.set(memory)

    def _sample_database(self) -> None:
        pools = [database.use() for database in self._databases]
        self._metrics.pool_connections.labels("in_use").set(sum(pool.in_use for pool in pools))
        self._metrics.pool_connections.labels("idle").set(sum(pool.idle for pool in pools))
        self._metrics.pool_limit.set(sum(pool.limit for pool in pools))
        self._metrics.pool_waiting.set(sum(pool.waiting for pool in pools))
        self._count(self._metrics.statements, sum(database.statements for database in self._databases))

    def _sample_replica(self, reads: ReplicaReads) -> None:
        self._metrics.replica_lag.set(reads.replica.lag_seconds)
        for server, answered in reads.answered.items():
            self._count(self._metrics.reads.labels(server), answered)

    def _sample_batchers(self) -> None:
        for name, batcher in self._batchers.items():
            self._metrics.batch_waiting.labels(name).set(batcher.waiting)
            self._count(self._metrics.batches.labels(name), batcher.batches)
            self._count(self._metrics.batch_items.labels(name), batcher.items)

    def _count(self, counter: Counter, total: float) -> None:
        counter.inc(total - self._counted.get(counter, 0))
        self._counted[counter] = total


def _resident_bytes() -> int | None:
    """The resident memory of this process in bytes; None if the system does not report it."""
    try:
        pages = int(_STATM.read_text("ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
