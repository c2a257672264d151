"""Resources that the service must have released when idle: connections, file handles, memory, requests in flight."""

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass

import psutil

from tests.tools.ledger.service import Service, http_get
from tests.tools.ledger.system import SystemUnderTest

# Tolerance: the size of a pool and the number of connections to Mandrill vary over time.
EXTRA_HANDLES = 24
EXTRA_MEBIBYTES = 128
POOL_SIZE = 8
SETTLE_SECONDS = 15.0

CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'requirements-service'"
IN_FLIGHT = re.compile(rb"^requirements_requests_in_flight(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """Resources used by the workers: handles and memory of the largest worker, the rest summed over all."""

    handles: int
    mebibytes: int
    connections: int
    in_flight: float | None

    @classmethod
    async def of(cls, system: SystemUnderTest) -> "ResourceUsage":
        """Measure the current usage."""
        async with system.connection() as connection:
            connections = await connection.fetchval(CONNECTIONS)
        handles, memory = _of_processes(system.service)
        return cls(handles, memory >> 20, connections, await _in_flight(system.service))

    def leaks(self, earlier: "ResourceUsage", workers: int) -> list[str]:
        """Return a message for each resource above its limit, given the usage at the start."""
        limits = {
            "file handles": (self.handles, earlier.handles + EXTRA_HANDLES),
            "MiB": (self.mebibytes, earlier.mebibytes + EXTRA_MEBIBYTES),
            # The console's process and the mail dispatchers hold a few connections of their own.
            "connections to PostgreSQL": (self.connections, (workers + 1) * POOL_SIZE),
            "requests in flight": (self.in_flight or 0, 0),
        }
        return [f"{name}: {found}, at most {limit}" for name, (found, limit) in limits.items() if found > limit]


def _of_processes(service: Service) -> tuple[int, int]:
    found = [(0, 0)]
    for pid in service.workers():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            found.append((process.num_fds(), process.memory_info().rss))
    return max(handles for handles, _ in found), max(memory for _, memory in found)


async def _in_flight(service: Service) -> float | None:
    answer = await http_get(service.console_port, "/metrics")
    found = IN_FLIGHT.findall(answer.body) if answer else []
    return sum(map(float, found)) if found else None


async def settled_usage(system: SystemUnderTest, earlier: ResourceUsage) -> tuple[ResourceUsage, list[str]]:
    """Return the usage and the leaks, once there are none or `SETTLE_SECONDS` have passed."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        use = await ResourceUsage.of(system)
        leaks = use.leaks(earlier, system.service.workers_count)
        if not leaks or time.monotonic() > deadline:
            return use, leaks
        await asyncio.sleep(0.25)
