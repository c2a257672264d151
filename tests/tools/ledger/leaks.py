"""What a service must have given back once it is at rest: connections, file handles, memory, requests under way."""

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass

import psutil

from tests.tools.ledger.scene import Scene
from tests.tools.ledger.service import Service, ask

# Between one moment and another a worker may hold a few more: a pool's connections, those of Mandrill.
MORE_HANDLES = 24
MORE_MEBIBYTES = 128
POOL_SIZE = 8
SETTLE_SECONDS = 15.0

CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'requirements-service'"
IN_FLIGHT = re.compile(rb"^requirements_requests_in_flight(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Use:
    """What the workers use: the most that any has of handles and memory, and all of them together of the rest."""

    handles: int
    mebibytes: int
    connections: int
    in_flight: float | None

    @classmethod
    async def of(cls, scene: Scene) -> "Use":
        """What they use now."""
        async with scene.connection() as connection:
            connections = await connection.fetchval(CONNECTIONS)
        handles, memory = _of_processes(scene.service)
        return cls(handles, memory >> 20, connections, await _in_flight(scene.service))

    def leaks(self, earlier: "Use", workers: int) -> list[str]:
        """What is more than it may be, given what it was at the start."""
        limits = {
            "file handles": (self.handles, earlier.handles + MORE_HANDLES),
            "MiB": (self.mebibytes, earlier.mebibytes + MORE_MEBIBYTES),
            # The console's process and the mail dispatchers have a few of their own.
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
    answer = await ask(service.console_port, "/metrics")
    found = IN_FLIGHT.findall(answer.body) if answer else []
    return sum(map(float, found)) if found else None


async def remaining(scene: Scene, earlier: Use) -> tuple[Use, list[str]]:
    """What is used once it has settled, and what is too much of it still."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        use = await Use.of(scene)
        leaks = use.leaks(earlier, scene.service.workers_count)
        if not leaks or time.monotonic() > deadline:
            return use, leaks
        await asyncio.sleep(0.25)
